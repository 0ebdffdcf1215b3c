"""The table of the options that every command takes. A new option is one more row.

An option for the client is also a parameter of `SequencerClient` and a field of a typed record in
`seqsend.cli.options`; a test compares both with this table.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from seqsend.configuration import DIAL_TIMEOUT, MAX_RESPONSE_SIZE, REQUEST_TIMEOUT
from seqsend.errors import UsageError
from seqsend.headers import collect_headers, parse_header
from seqsend.units import format_duration, format_size, parse_delay, parse_duration, parse_size

SEQUENCER, TIME, FILES, OUTPUT = "Sequencer", "Time", "Between runs", "Output"
GROUPS = frozenset({SEQUENCER, TIME, FILES, OUTPUT})
"""The groups of the help that hold only these options."""

Kind = Literal["value", "list", "switch", "flag"]
"""How an option is typed: with one value; with a value, repeatedly; as a switch, which has an
opposite; or as a flag, which has no variable."""


class Option(NamedTuple):
    """One shared option: how it is typed, what it means, and its default."""

    field: str
    """Its name in the records of options and in the library."""
    flags: tuple[str, ...]
    """The first long one is shown in the help; the reference has them all."""
    help: str
    """One line of the help, without the default, which is appended."""
    group: str
    kind: Kind = "value"
    metavar: str | None = None
    parse: Callable[[str], Any] = str
    """Returns the value of each text that was given."""
    collect: Callable[[list[Any]], Any] = list
    """Returns one value for all values of a list."""
    environment: str | None = None
    """The environment variable that is read if the option is not given."""
    per_line: bool = False
    """The variable holds a list, one per line."""
    default: Any = None
    default_text: str | None = None

    @property
    def name(self) -> str:
        """The flag that messages and help use."""
        return next(flag for flag in self.flags if flag.startswith("--"))

    @property
    def full_help(self) -> str:
        """The help with the default."""
        if self.default_text is None:
            return self.help
        is_required = self.default_text == _REQUIRED
        return f"{self.help} [{_REQUIRED if is_required else f'default: {self.default_text}'}]"


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
        UsageError: it is empty, usually because a variable was not set, or has a NUL in it.

    """
    if not text or "\0" in text:
        raise UsageError("the path is empty", example="/etc/seqsend/name")
    return text


def _parse_metrics_path(text: str) -> str:
    # The collector reads no other files. A wrong name would be noticed only when somebody misses
    # the metrics.
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
        "The sequencer's addresses, in order.",
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
        "Header for every endpoint, or for endpoint N.",
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
        "Look up transactions and receipts here first.",
        SEQUENCER,
        kind="list",
        metavar="URL[,URL...]",
        collect=_join_readers,
        environment="SEQSEND_READS_FROM",
    ),
    Option(
        "rollup_rpc",
        ("--rollup-rpc",),
        "Ask these op-nodes which sequencer is active.",
        SEQUENCER,
        kind="list",
        metavar="URL[,URL...]",
        collect=_join,
        environment="SEQSEND_ROLLUP_RPC",
    ),
    Option(
        "cacert",
        ("--cacert",),
        "CA certificates to trust: a file or directory.",
        SEQUENCER,
        metavar="PATH",
        parse=parse_path,
    ),
    Option(
        "client_cert",
        ("--client-cert",),
        "Client certificate for https endpoints.",
        SEQUENCER,
        metavar="PATH",
        parse=parse_path,
        environment="SEQSEND_CLIENT_CERT",
    ),
    Option(
        "client_key",
        ("--client-key",),
        "Its private key.",
        SEQUENCER,
        metavar="PATH",
        parse=parse_path,
        environment="SEQSEND_CLIENT_KEY",
        default_text="in the same file",
    ),
    Option(
        "dial_timeout",
        ("--sequencer-dial-timeout", "--rollup.sequencer-dial-timeout"),
        "Limit for DNS, TCP and TLS.",
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
        "Limit for one whole attempt.",
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
        "Limit for everything, look-ups included.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_DEADLINE",
    ),
    Option(
        "retry_for",
        ("--retry-for",),
        "Try all endpoints again for up to this long.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_RETRY_FOR",
    ),
    Option(
        "hedge_after",
        ("--hedge-after",),
        "Ask the next endpoint as well after this long.",
        TIME,
        metavar="DURATION",
        parse=parse_delay,
        environment="SEQSEND_HEDGE_AFTER",
    ),
    Option(
        "failback_after",
        ("--failback-after",),
        "Return to endpoint 1 this long after a failover.",
        TIME,
        metavar="DURATION",
        parse=parse_duration,
        environment="SEQSEND_FAILBACK_AFTER",
    ),
    Option(
        "max_response_size",
        ("--max-response-size",),
        "Refuse larger answers.",
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
        "Take every JSON-RPC error as the final answer.",
        SEQUENCER,
        kind="switch",
        parse=_parse_switch,
        environment="SEQSEND_STRICT_ERRORS",
        default=False,
    ),
    Option(
        "state_file",
        ("--state-file",),
        "Keep the preferred endpoint in this file.",
        FILES,
        metavar="PATH",
        parse=parse_path,
        environment="SEQSEND_STATE_FILE",
    ),
    Option(
        "metrics_file",
        ("--metrics-file",),
        "Add metrics for Prometheus to this file.",
        FILES,
        metavar="PATH.prom",
        parse=_parse_metrics_path,
        environment="SEQSEND_METRICS_FILE",
    ),
    Option("json", ("--json",), "Print one JSON object, on failure too.", OUTPUT, "flag"),
    Option("quiet", ("--quiet", "-q"), "Print only errors on stderr.", OUTPUT, "flag"),
    Option(
        "verbose",
        ("--verbose", "-v"),
        "Show the phase, HTTP status and times of each attempt.",
        OUTPUT,
        "flag",
    ),
)
