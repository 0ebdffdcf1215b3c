"""Submit transactions to rollup sequencers: failover, true deadlines, the truth about delivery.

from seqsend import SequencerClient

with SequencerClient("http://seq1:8545,http://seq2:8545") as client:
    print(client.send_raw_transaction("0x02f8…").hash)
"""

from seqsend.version import __version__

TYPE_CHECKING = False  # as in typing, which a script that asks for the version need not load
if TYPE_CHECKING:
    from seqsend.checking import check
    from seqsend.client import SequencerClient
    from seqsend.diagnosis import Diagnosis, EndpointReport, Samples
    from seqsend.errors import (
        CallError,
        DeliveryUnknown,
        NotKept,
        Rejected,
        SeqsendError,
        Unreachable,
        UsageError,
    )
    from seqsend.events import (
        Answer,
        Attempt,
        CallEnded,
        Endpoint,
        Event,
        JsonRpcError,
        Preference,
        Preferred,
        Sent,
    )
    from seqsend.stream import Ended, Line

__all__ = [
    "Answer",
    "Attempt",
    "CallEnded",
    "CallError",
    "DeliveryUnknown",
    "Diagnosis",
    "Ended",
    "Endpoint",
    "EndpointReport",
    "Event",
    "JsonRpcError",
    "Line",
    "NotKept",
    "Preference",
    "Preferred",
    "Rejected",
    "Samples",
    "Sent",
    "SeqsendError",
    "SequencerClient",
    "Unreachable",
    "UsageError",
    "__version__",
    "check",
]

# Imported when first asked for: the program is started in loops, and not every start needs them.
_ROOMS = {
    "checking": ["check"],
    "client": ["SequencerClient"],
    "diagnosis": ["Diagnosis", "EndpointReport", "Samples"],
    "errors": [
        "CallError",
        "DeliveryUnknown",
        "NotKept",
        "Rejected",
        "SeqsendError",
        "Unreachable",
        "UsageError",
    ],
    "events": [
        "Answer",
        "Attempt",
        "CallEnded",
        "Endpoint",
        "Event",
        "JsonRpcError",
        "Preference",
        "Preferred",
        "Sent",
    ],
    "stream": ["Ended", "Line"],
}


if not TYPE_CHECKING:  # else a checker would take every name that is asked for

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for room, names in _ROOMS.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{room}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
