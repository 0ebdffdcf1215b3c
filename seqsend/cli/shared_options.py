"""The table of the options that every command takes."""

from dataclasses import dataclass
from typing import Literal

from seqsend.configuration import MAX_RESPONSE_SIZE
from seqsend.units import format_size


@dataclass(frozen=True, slots=True)
class Option:
    """One shared option, as it is typed."""

    field: str
    flags: tuple[str, ...]
    """The first long one is shown in the help; the help's text names the others."""
    help: str
    group: str
    kind: Literal["value", "list", "flag"] = "value"
    metavar: str | None = None
    environment: str | None = None


OPTIONS = (
    Option(
        "endpoints",
        (
            "--rollup.sequencer-http",
            "--rollup.sequencer",
            "--rollup.sequencer-ws",
            "--rollup.sequencerhttp",
        ),
        "The sequencer's addresses, tried in this order; or one ws:// or wss:// address. Also "
        "--rollup.sequencer, --rollup.sequencer-ws, --rollup.sequencerhttp. "
        "[env: SEQSEND_SEQUENCER_HTTP; required]",
        "Sequencer",
        metavar="URL[,URL...]",
        environment="SEQSEND_SEQUENCER_HTTP",
    ),
    Option(
        "headers",
        ("--rollup.sequencer-headers",),
        "Sent to every endpoint; the value is never shown. Repeatable. "
        "[env: SEQSEND_SEQUENCER_HEADERS, one per line]",
        "Sequencer",
        kind="list",
        metavar="NAME=VALUE",
        environment="SEQSEND_SEQUENCER_HEADERS",
    ),
    Option(
        "cacert",
        ("--cacert",),
        "Certificates to trust for https. "
        "[env: SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE; default: the system's]",
        "Sequencer",
        metavar="PATH",
    ),
    Option(
        "dial_timeout",
        ("--sequencer-dial-timeout", "--rollup.sequencer-dial-timeout"),
        "For DNS, TCP over all addresses, and TLS. Also --rollup.sequencer-dial-timeout. "
        "[env: SEQSEND_DIAL_TIMEOUT; default: 5s]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_DIAL_TIMEOUT",
    ),
    Option(
        "request_timeout",
        ("--sequencer-request-timeout", "--rollup.sequencer-request-timeout"),
        "For one whole attempt on one endpoint. Also --rollup.sequencer-request-timeout. "
        "[env: SEQSEND_REQUEST_TIMEOUT; default: 10s]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_REQUEST_TIMEOUT",
    ),
    Option(
        "deadline",
        ("--deadline",),
        "For everything: all attempts, look-ups included. "
        "[env: SEQSEND_DEADLINE; default: none beyond the request timeouts]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_DEADLINE",
    ),
    Option(
        "failback_after",
        ("--failback-after",),
        "After a failover, try endpoint 1 first again once so much time has passed. "
        "[env: SEQSEND_FAILBACK_AFTER; default: never]",
        "Time",
        metavar="DURATION",
        environment="SEQSEND_FAILBACK_AFTER",
    ),
    Option(
        "max_response_size",
        ("--max-response-size",),
        "Refuse a longer answer, counted after decompression. "
        f"[env: SEQSEND_MAX_RESPONSE_SIZE; default: {format_size(MAX_RESPONSE_SIZE)}]",
        "Sequencer",
        metavar="SIZE",
        environment="SEQSEND_MAX_RESPONSE_SIZE",
    ),
    Option(
        "strict_errors",
        ("--strict-errors",),
        'Take every JSON-RPC error for the sequencer\'s verdict, also one that says "not from me" '
        "(a rate limit, a missing method, a node that is syncing). [env: SEQSEND_STRICT_ERRORS]",
        "Sequencer",
        kind="flag",
        environment="SEQSEND_STRICT_ERRORS",
    ),
    Option(
        "state_file",
        ("--state-file",),
        "Remember the preferred endpoint between runs, in this file. "
        "[env: SEQSEND_STATE_FILE; default: nothing is remembered]",
        "Between runs",
        metavar="PATH",
        environment="SEQSEND_STATE_FILE",
    ),
    Option(
        "metrics_file",
        ("--metrics-file",),
        "Add up metrics in this file, for Prometheus' node_exporter. "
        "[env: SEQSEND_METRICS_FILE; default: none]",
        "Between runs",
        metavar="PATH.prom",
        environment="SEQSEND_METRICS_FILE",
    ),
    Option("json", ("--json",), "Print one JSON object, on failure too.", "Output", kind="flag"),
    Option("quiet", ("--quiet", "-q"), "Nothing on stderr but errors.", "Output", kind="flag"),
    Option(
        "verbose",
        ("--verbose", "-v"),
        "Tell of every attempt: phases, HTTP status and timings.",
        "Output",
        kind="flag",
    ),
)
