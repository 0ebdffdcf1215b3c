"""The table of the options that every command takes. A new one is one more row.

If the client takes it, it also is a parameter of `SequencerClient`, and a field of the typed record
in `seqsend.cli.options`; a test compares the two with this table.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from seqsend.configuration import DIAL_TIMEOUT, MAX_RESPONSE_SIZE, REQUEST_TIMEOUT
from seqsend.errors import UsageError
from seqsend.headers import collect_headers, parse_header
from seqsend.units import format_duration, format_size, parse_delay, parse_duration, parse_size

SEQUENCER, TIME, FILES, OUTPUT = "Sequencer", "Time", "Between runs", "Output"

Kind = Literal["value", "list", "switch", "flag"]
"""What is typed: one value; values that may be given repeatedly; a switch with its opposite; or a
flag, which has no variable."""


class Option(NamedTuple):
    """One shared option: how it is typed, what it means, and what holds without it."""

    field: str
    """Its name in the records of options, and in the library."""
    flags: tuple[str, ...]
    """The first long one is shown in the help, which names the others after it."""
    help: str
    """Without variable and default, which are appended."""
    group: str
    kind: Kind = "value"
    metavar: str | None = None
    parse: Callable[[str], Any] = str
    """Makes a value of each text that was given."""
    collect: Callable[[list[Any]], Any] = list
    """Makes one value of all those of a list."""
    environment: str | None = None
    """The variable that is read if the option is not given."""
    per_line: bool = False
    """The variable holds a list, one per line."""
    default: Any = None
    default_text: str | None = None

    @property
    def name(self) -> str:
        """The flag that messages and help use."""
        return next(flag for flag in self.flags if flag.startswith("--"))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other long flags of the same meaning."""
        same = () if self.kind == "switch" else self.flags
        return tuple(flag for flag in same if flag.startswith("--") and flag != self.name)

    @property
    def full_help(self) -> str:
        """The help with aliases, variable and default."""
        also = f" Also {', '.join(self.aliases)}." if self.aliases else ""
        per_line = ", one per line" if self.per_line else ""
        notes = (
            f"env: {self.environment}{per_line}" if self.environment else "",
            _REQUIRED if self.default_text == _REQUIRED else "",
            f"default: {self.default_text}" if self.default_text not in (None, _REQUIRED) else "",
        )
        known = "; ".join(filter(None, notes))
        return f"{self.help}{also}" + (f" [{known}]" if known else "")


_REQUIRED = "required"


def _join(texts: list[str]) -> str:
    return ",".join(texts)


def _join_readers(texts: list[str]) -> str:
    joined = _join(texts)
    if not joined.strip(", \t"):
        raise UsageError("--reads-from: no URL given", example="--reads-from http://replica:8545")
    return joined


def parse_path(text: str) -> str:
    """Return ``text``, which names a file.

    Raises:
        UsageError: it is empty: as a rule a variable that was not set.

    """
    if not text or "\0" in text:
        raise UsageError("the path is empty", example="/etc/seqsend/name")
    return text


def _parse_metrics_path(text: str) -> str:
    # The collector reads no other files: a name that it does not see would be noticed only when
    # the metrics are missed.
    if not parse_path(text).endswith(".prom"):
        raise UsageError(f"{text!r} does not end in .prom", example="seqsend.prom")
    return text


def _parse_switch(text: str) -> bool:
    if text.lower() in ("0", "false", "no", "off"):
        return False
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    raise UsageError(f"{text!r} is neither yes nor no", example="1, 0")


OPTIONS = (
    Option(
        "endpoints",
        (
            "--rollup.sequencer-http",
            "--rollup.sequencer",
            "--rollup.sequencer-ws",
            "--rollup.sequencerhttp",
        ),
        "The sequencer's addresses, tried in this order, or a single ws:// or wss:// address. "
        "Repeatable: lists are joined.",
        SEQUENCER,
        kind="list",
        metavar="URL[,URL...]",
        collect=_join,
        environment="SEQSEND_SEQUENCER_HTTP",
        default_text=_REQUIRED,
    ),
    Option(
        "headers",
        ("--rollup.sequencer-headers",),
        "Header for every endpoint, or with 2: for endpoint 2 alone; its value is never shown. "
        "Repeatable.",
        SEQUENCER,
        kind="list",
        metavar="[N:]NAME=VALUE",
        parse=parse_header,
        collect=collect_headers,
        environment="SEQSEND_SEQUENCER_HEADERS",
        per_line=True,
        default=collect_headers([]),
    ),
    Option(
        "reads_from",
        ("--reads-from",),
        "Ask these first whether a transaction is known or mined; they are never sent one. "
        "Repeatable.",
        SEQUENCER,
        kind="list",
        metavar="URL[,URL...]",
        collect=_join_readers,
        environment="SEQSEND_READS_FROM",
        default_text="the sequencer's addresses",
    ),
    Option(
        "rollup_rpc",
        ("--rollup-rpc",),
        "The op-node or op-conductor of each endpoint, in the same order: calls begin at the "
        "active sequencer. Repeatable.",
        SEQUENCER,
        kind="list",
        metavar="URL[,URL...]",
        collect=_join,
        environment="SEQSEND_ROLLUP_RPC",
        default_text="none",
    ),
    Option(
        "cacert",
        ("--cacert",),
        "Certificates to trust for https, as a file or directory.",
        SEQUENCER,
        metavar="PATH",
        parse=parse_path,
        # The transport reads these variables, as other programs do.
        default_text="SSL_CERT_FILE, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, else the system's",
    ),
    Option(
        "client_cert",
        ("--client-cert",),
        "Certificate to show to https endpoints that ask for one.",
        SEQUENCER,
        metavar="PATH",
        parse=parse_path,
        environment="SEQSEND_CLIENT_CERT",
        default_text="none",
    ),
    Option(
        "client_key",
        ("--client-key",),
        "The certificate's private key.",
        SEQUENCER,
        metavar="PATH",
        parse=parse_path,
        environment="SEQSEND_CLIENT_KEY",
        default_text="in the same file",
    ),
    Option(
        "dial_timeout",
        ("--sequencer-dial-timeout", "--rollup.sequencer-dial-timeout"),
        "Limit for DNS, TCP over all addresses, and TLS.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_DIAL_TIMEOUT",
        default=DIAL_TIMEOUT,
        default_text=format_duration(DIAL_TIMEOUT),
    ),
    Option(
        "request_timeout",
        ("--sequencer-request-timeout", "--rollup.sequencer-request-timeout"),
        "Limit for one whole attempt at one endpoint.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_REQUEST_TIMEOUT",
        default=REQUEST_TIMEOUT,
        default_text=format_duration(REQUEST_TIMEOUT),
    ),
    Option(
        "deadline",
        ("--deadline",),
        "Limit for everything: all attempts, look-ups included.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_DEADLINE",
        default_text="none beyond the request timeouts",
    ),
    Option(
        "retry_for",
        ("--retry-for",),
        "Try again for this long what no endpoint took, if the same bytes may be sent again.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_RETRY_FOR",
        default_text="one round",
    ),
    Option(
        "hedge_after",
        ("--hedge-after",),
        "Ask the next endpoint, too, if one has not answered for this long; 0ms asks all at once.",
        TIME,
        metavar="DURATION",
        parse=parse_delay,
        environment="SEQSEND_HEDGE_AFTER",
        default_text="one endpoint at a time",
    ),
    Option(
        "failback_after",
        ("--failback-after",),
        "Try endpoint 1 first again this long after a failover.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_FAILBACK_AFTER",
        default_text="never",
    ),
    Option(
        "max_response_size",
        ("--max-response-size",),
        "Refuse longer answers, counted after decompression.",
        SEQUENCER,
        metavar="SIZE",
        parse=parse_size,
        environment="SEQSEND_MAX_RESPONSE_SIZE",
        default=MAX_RESPONSE_SIZE,
        default_text=format_size(MAX_RESPONSE_SIZE),
    ),
    Option(
        "strict_errors",
        ("--strict-errors", "--no-strict-errors"),
        'Take every JSON-RPC error as the sequencer\'s verdict, even one that says "not from me" '
        "(a rate limit, a missing method, a node that is syncing).",
        SEQUENCER,
        kind="switch",
        parse=_parse_switch,
        environment="SEQSEND_STRICT_ERRORS",
        default=False,
        default_text="off",
    ),
    Option(
        "state_file",
        ("--state-file",),
        "Remember the preferred endpoint between runs in this file.",
        FILES,
        metavar="PATH",
        parse=parse_path,
        environment="SEQSEND_STATE_FILE",
        default_text="nothing is remembered",
    ),
    Option(
        "metrics_file",
        ("--metrics-file",),
        "Add up metrics in this file, for Prometheus' node_exporter.",
        FILES,
        metavar="PATH.prom",
        parse=_parse_metrics_path,
        environment="SEQSEND_METRICS_FILE",
        default_text="none",
    ),
    Option("json", ("--json",), "Print one JSON object, on failure too.", OUTPUT, "flag"),
    Option("quiet", ("--quiet", "-q"), "Print only errors on stderr.", OUTPUT, "flag"),
    Option(
        "verbose",
        ("--verbose", "-v"),
        "Show phases, HTTP status and timings of every attempt.",
        OUTPUT,
        "flag",
    ),
)
