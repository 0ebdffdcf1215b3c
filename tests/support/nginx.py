"""nginx in front of a real node, as operators run it, with its usual failures."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from tests.support.certificates import Authority
from tests.support.machine import find_program
from tests.support.node import end_with_parent
from tests.support.servers import Swallowing, dead

_STARTS_WITHIN = 10.0  # seconds

_CONFIGURATION = """
daemon off;
worker_processes 1;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {directory}/client;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    limit_req_zone $server_addr zone=one:1m rate=1r/m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream node {{ server 127.0.0.1:{node}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{secure} ssl;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        location /rpc {{ rewrite ^ / break; proxy_pass http://node; }}
        location /gzip {{
            gzip on; gzip_min_length 1; gzip_types application/json; gzip_proxied any;
            rewrite ^ / break; proxy_pass http://node;
        }}
        location /once {{
            keepalive_requests 1; rewrite ^ / break; proxy_pass http://node;
        }}
        location /brief {{
            keepalive_timeout 20ms; rewrite ^ / break; proxy_pass http://node;
        }}
        location /502 {{ proxy_pass http://127.0.0.1:{dead}/; }}
        location /503 {{ return 503; }}
        location /504 {{ proxy_read_timeout 300ms; proxy_pass http://127.0.0.1:{swallowing}/; }}
        location /413 {{ client_max_body_size 20; proxy_pass http://node/; }}
        location /429 {{ limit_req zone=one; limit_req_status 429; proxy_pass http://node/; }}
        location /401 {{
            auth_basic "seq"; auth_basic_user_file {directory}/users; proxy_pass http://node/;
        }}
        location /403 {{ deny all; }}
        location /404 {{ return 404; }}
        location /308 {{ return 308 http://127.0.0.1:{plain}/rpc?$args; }}
        location /page {{ default_type text/html; return 200 "<html>It works!</html>"; }}
        location /444 {{ return 444; }}
    }}
}}
"""


class Nginx:
    """A running nginx; a context manager. Each location is named after what it does.

    `/rpc` serves; `/gzip` compresses; `/once` closes after each answer, `/brief` after 20 ms;
    `/401` wants ``user:right``; `/504` passes on to the node and gives up on the answer; `/page`
    answers with an HTML page and `/444` closes; the others fail with the status of their name.
    """

    def __init__(self, node: str, authority: Authority) -> None:
        """Prepare nginx for the node at the URL ``node``; skip the test if nginx is missing."""
        self._program = find_program("nginx", "nginx-light")
        self._node, self._authority = node, authority
        self._stack = ExitStack()
        self.url = ""
        """Its address, without a path."""
        self.secure_url = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (directory / "users").write_text("user:{PLAIN}right\n")
            # nginx inherits listening sockets, so that its ports are certainly free.
            sockets = [stack.enter_context(_listening()) for _ in range(2)]
            plain, secure = (s.getsockname()[1] for s in sockets)
            chain, key = self._authority.files()
            text = _CONFIGURATION.format(
                directory=directory,
                # Started by root, its workers would run as nobody and could not read the directory.
                user="user root;" if os.geteuid() == 0 else "",
                node=self._node.rpartition(":")[2],
                plain=plain,
                secure=secure,
                chain=chain,
                key=key,
                dead=stack.enter_context(dead()).port,
                swallowing=stack.enter_context(Swallowing(self._node)).port,
            )
            (directory / "nginx.conf").write_text(text)
            numbers = [s.fileno() for s in sockets]
            process = subprocess.Popen(
                [self._program, "-p", directory, "-c", directory / "nginx.conf"],
                pass_fds=numbers,
                env=os.environ | {"NGINX": "".join(f"{n};" for n in numbers)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=lambda: end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one C call
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)  # a kill would leave its worker behind
            self.url = f"http://127.0.0.1:{plain}"
            self.secure_url = f"https://127.0.0.1:{secure}"
            self._wait(process, directory)
            self._stack = stack.pop_all()
        return self

    def visit(self, location: str) -> None:
        """Request a location and ignore the answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(urllib.error.HTTPError), opener.open(f"{self.url}/{location}", timeout=10):
            pass

    def _wait(self, process: "subprocess.Popen[bytes]", directory: Path) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline and process.poll() is None:
            try:
                self.visit("404")
            except OSError:
                time.sleep(0.01)
            else:
                return
        log = directory / "error.log"
        raise RuntimeError(f"nginx did not come up: {log.read_text() if log.exists() else ''}")

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=64)
