"""Submit transactions to rollup sequencers: failover, true deadlines, the truth about delivery.

from seqsend import SequencerClient

with SequencerClient("http://seq1:8545,http://seq2:8545") as client:
    print(client.send_raw_transaction("0x02f8…").hash)
"""

from seqsend.version import __version__ as __version__

TYPE_CHECKING = False  # as in typing, which a script that asks for the version need not load
if TYPE_CHECKING:
    from seqsend.client import SequencerClient as SequencerClient
    from seqsend.diagnosis.comparison import check as check
    from seqsend.diagnosis.report import Diagnosis as Diagnosis
    from seqsend.diagnosis.report import EndpointReport as EndpointReport
    from seqsend.diagnosis.report import Samples as Samples
    from seqsend.errors import CallError as CallError
    from seqsend.errors import DeliveryUnknown as DeliveryUnknown
    from seqsend.errors import InputError as InputError
    from seqsend.errors import PersistenceError as PersistenceError
    from seqsend.errors import Rejected as Rejected
    from seqsend.errors import SeqsendError as SeqsendError
    from seqsend.errors import Unreachable as Unreachable
    from seqsend.errors import UsageError as UsageError
    from seqsend.models import Answer as Answer
    from seqsend.models import Attempt as Attempt
    from seqsend.models import CallEnded as CallEnded
    from seqsend.models import Endpoint as Endpoint
    from seqsend.models import Event as Event
    from seqsend.models import JsonRpcError as JsonRpcError
    from seqsend.models import Preference as Preference
    from seqsend.models import Preferred as Preferred
    from seqsend.models import Sent as Sent
    from seqsend.sending.stream import Ended as Ended
    from seqsend.sending.stream import Line as Line

# Imported when first asked for: the program is started in loops, and not every start needs them.
_MODULES = {
    "client": ("SequencerClient",),
    "diagnosis.comparison": ("check",),
    "diagnosis.report": ("Diagnosis", "EndpointReport", "Samples"),
    "errors": (
        "CallError",
        "DeliveryUnknown",
        "InputError",
        "PersistenceError",
        "Rejected",
        "SeqsendError",
        "Unreachable",
        "UsageError",
    ),
    "models": (
        "Answer",
        "Attempt",
        "CallEnded",
        "Endpoint",
        "Event",
        "JsonRpcError",
        "Preference",
        "Preferred",
        "Sent",
    ),
    "sending.stream": ("Ended", "Line"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_MODULE_OF, "__version__"])  # noqa: PLE0605 - each name stands in one table


if not TYPE_CHECKING:  # else a checker would take every name that is asked for

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
