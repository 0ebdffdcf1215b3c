"""Fixtures for all tests: one real node per worker, a wallet, and a clean environment."""

import os
import signal
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from tests.support.node import Anvil
from tests.support.wallet import Signed, Wallet

# How long an example takes depends on the machine, not on the program.
hypothesis.settings.register_profile("seqsend", deadline=None)
hypothesis.settings.load_profile("seqsend")

_UNSET = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
)


def pytest_configure() -> None:
    """Unset the variables that change how the program and its children behave."""
    # In the background of a script, or under nohup, these are ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name in list(os.environ):
        if name in _UNSET or name.startswith("SEQSEND_") or name.upper().endswith("_PROXY"):
            del os.environ[name]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many faults were tried and survived, and the worst overrun of a deadline."""
    tried = [
        (report.outcome, dict(report.user_properties))
        for key in ("passed", "failed")
        for report in terminalreporter.getreports(key)
        if report.when == "call" and any(name == "fault" for name, _ in report.user_properties)
    ]
    if tried:
        survived = sum(outcome == "passed" for outcome, _ in tried)
        properties = [each for _, each in tried]
        worst = max(properties, key=lambda each: float(each.get("overrun_ms", 0)))
        terminalreporter.write_line(
            f"faults: {len(tried)} tried, {survived} survived; worst overrun of a deadline: "
            f"{worst.get('overrun_ms', 0):.1f} ms ({worst['fault']})"
        )


@pytest.fixture(scope="session")
def node() -> Iterator[Anvil]:
    """A node that mines each transaction immediately."""
    with Anvil() as running:
        yield running


@pytest.fixture(scope="session")
def wallet() -> Wallet:
    """The wallet of anvil's first account."""
    return Wallet(0)


FreshTx = Callable[..., Signed]


@pytest.fixture
def fresh_tx(node: Anvil, wallet: Wallet) -> FreshTx:
    """A function that signs a transaction of a given type, which ``node`` will accept."""

    def sign(kind: int = 2, *, value: int = 1) -> Signed:
        return wallet.sign(kind, nonce=node.nonce(wallet.address), value=value)

    return sign
