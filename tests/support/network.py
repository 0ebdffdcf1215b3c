"""Two hosts and the link between them: real kernel networks, with a test in control of packets.

Each host is a network namespace with one TUN device. This process reads what a host sends, and
the test's rule decides if and when the other host gets it. So delay and loss need no `tc netem`,
which not every kernel has. Needs Linux, root and Debian's iproute2.
"""

import ctypes
import fcntl
import heapq
import itertools
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from tests.support.machine import find_program, require_root, skip_or_fail

CLIENT, SERVER, OTHER = "10.77.0.10", "10.77.0.2", "10.77.0.3"
"""The client's address, and the server's two."""
NOBODY, RESOLVER = ("10.77.0.11", "10.77.0.9"), "10.77.0.53"
"""Addresses on the link that no host has: packets to them vanish. NOBODY's share a longer prefix
with the client's than the server's do: a resolver puts them first (RFC 6724, section 6, rule 9)."""

Rule = Callable[[bytes], float | None]
"""Seconds by which an IPv4 packet is delayed; None if it is lost."""

_TUN = "/dev/net/tun"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_CLONE_NEWNET = 0x40000000
_LARGEST = 65_536  # bytes per packet


def at_once(_packet: bytes) -> float | None:
    """Lose nothing and delay nothing."""
    return 0.0


class Network:
    """The two hosts and their link; a context manager."""

    rule: Rule = staticmethod(at_once)
    """Decides the fate of each packet; may be replaced at any time."""

    def __init__(self) -> None:
        """Skip the test unless this machine can run it."""
        self._ip = find_program("ip", "iproute2")
        require_root()
        if not os.path.exists(_TUN):
            skip_or_fail(f"{_TUN} is missing, which namespaces need; as root: modprobe tun")
        self._client, self._server = (f"seqsend-{os.getpid()}-{name}" for name in ("c", "s"))
        self._stack = ExitStack()
        self._stopped = threading.Event()

    @property
    def at_client(self) -> list[str]:
        """The prefix that runs a command on the client's host."""
        return [self._ip, "netns", "exec", self._client]

    @contextmanager
    def at_server(self) -> Iterator[None]:
        """Let sockets that this thread creates meanwhile belong to the server's host."""
        with _inside(self._server):
            yield

    def configure(self, files: Mapping[str, str]) -> None:
        """Give the client's host its own files in /etc."""
        for name, text in files.items():
            (self._etc / name).write_text(text)

    @property
    def _etc(self) -> Path:
        return Path("/etc/netns") / self._client

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            client = self._make_host(stack, self._client, [CLIENT])
            server = self._make_host(stack, self._server, [SERVER, OTHER])
            self._etc.mkdir(parents=True)
            stack.callback(self._forget_files)
            link = threading.Thread(target=self._carry, args=(client, server), daemon=True)
            link.start()
            stack.callback(link.join)
            stack.callback(self._stopped.set)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _make_host(self, stack: ExitStack, name: str, addresses: list[str]) -> int:
        self._run("netns", "add", name)
        stack.callback(self._run, "netns", "delete", name)
        with _inside(name):
            tun = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
            stack.callback(os.close, tun)
            flags = _IFF_TUN | _IFF_NO_PI
            fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"wire", flags))
            for address in addresses:
                self._run("address", "add", f"{address}/24", "dev", "wire")
            self._run("link", "set", "dev", "wire", "up")
            self._run("link", "set", "dev", "lo", "up")
        return tun

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, capture_output=True)

    def _forget_files(self) -> None:
        for path in self._etc.iterdir():
            path.unlink()
        self._etc.rmdir()

    def _carry(self, client: int, server: int) -> None:
        ways = {client: server, server: client}
        order = itertools.count()
        on_the_way: list[tuple[float, int, int, bytes]] = []
        while not self._stopped.is_set():
            wait = on_the_way[0][0] - time.monotonic() if on_the_way else 0.05
            for came_from in select.select(list(ways), [], [], min(0.05, max(0.0, wait)))[0]:
                packet = os.read(came_from, _LARGEST)
                late = self.rule(packet) if packet[0] >> 4 == 4 else None
                if late is not None:
                    due = time.monotonic() + late
                    heapq.heappush(on_the_way, (due, next(order), ways[came_from], packet))
            while on_the_way and on_the_way[0][0] <= time.monotonic():
                _, _, goes_to, packet = heapq.heappop(on_the_way)
                os.write(goes_to, packet)


@contextmanager
def _inside(name: str) -> Iterator[None]:
    """Move this thread into a network namespace, and back."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/var/run/netns/{name}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(back)
        os.close(back)
        os.close(there)


def _enter(namespace: int) -> None:
    # os.setns exists from Python 3.12 on.
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
