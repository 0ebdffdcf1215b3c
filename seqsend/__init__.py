"""Submit transactions to rollup sequencers: failover, true deadlines, the truth about delivery.

from seqsend import SequencerClient

with SequencerClient("http://seq1:8545,http://seq2:8545") as client:
    print(client.send_raw_transaction("0x02f8…").hash)
"""

from seqsend.version import __version__ as __version__

TYPE_CHECKING = False  # as in typing, which would slow `seqsend --version` down
if TYPE_CHECKING:
    from seqsend.client import SequencerClient as SequencerClient
    from seqsend.diagnosis.comparison import check as check
    from seqsend.diagnosis.report import Diagnosis as Diagnosis
    from seqsend.diagnosis.report import EndpointReport as EndpointReport
    from seqsend.diagnosis.report import Head as Head
    from seqsend.diagnosis.report import Samples as Samples
    from seqsend.diagnosis.report import Status as Status
    from seqsend.diagnosis.report import Verdict as Verdict
    from seqsend.errors import CallError as CallError
    from seqsend.errors import DeliveryUnknown as DeliveryUnknown
    from seqsend.errors import InputError as InputError
    from seqsend.errors import Interrupted as Interrupted
    from seqsend.errors import PersistenceError as PersistenceError
    from seqsend.errors import Rejected as Rejected
    from seqsend.errors import SeqsendError as SeqsendError
    from seqsend.errors import Unreachable as Unreachable
    from seqsend.errors import UsageError as UsageError
    from seqsend.explanation import Access as Access
    from seqsend.explanation import Authorization as Authorization
    from seqsend.explanation import ChainState as ChainState
    from seqsend.explanation import Content as Content
    from seqsend.explanation import Decoded as Decoded
    from seqsend.explanation import Explanation as Explanation
    from seqsend.failover.requester import Observer as Observer
    from seqsend.models import Address as Address
    from seqsend.models import Answer as Answer
    from seqsend.models import Attempt as Attempt
    from seqsend.models import AttemptOutcome as AttemptOutcome
    from seqsend.models import CallEnded as CallEnded
    from seqsend.models import Delivered as Delivered
    from seqsend.models import Endpoint as Endpoint
    from seqsend.models import EndpointRole as EndpointRole
    from seqsend.models import Event as Event
    from seqsend.models import FindingCode as FindingCode
    from seqsend.models import JsonRpcError as JsonRpcError
    from seqsend.models import Level as Level
    from seqsend.models import NotSent as NotSent
    from seqsend.models import Phase as Phase
    from seqsend.models import Preference as Preference
    from seqsend.models import Preferred as Preferred
    from seqsend.models import ReasonCode as ReasonCode
    from seqsend.models import Role as Role
    from seqsend.models import RolesAsked as RolesAsked
    from seqsend.models import Sent as Sent
    from seqsend.models import TakesTransactions as TakesTransactions
    from seqsend.models import WaitProgress as WaitProgress
    from seqsend.persistence.metrics import Metrics as Metrics
    from seqsend.persistence.state import State as State
    from seqsend.sending.decoding import decode as decode
    from seqsend.sending.explaining import DryRun as DryRun
    from seqsend.sending.outgoing import End as End
    from seqsend.sending.stream import Awaiting as Awaiting
    from seqsend.sending.stream import Ended as Ended
    from seqsend.sending.stream import GroupEnd as GroupEnd
    from seqsend.sending.stream import Line as Line
    from seqsend.sending.stream import Stream as Stream
    from seqsend.sending.transaction import RawTransaction as RawTransaction
    from seqsend.sending.transaction import parse_raw_transaction as parse_raw_transaction
    from seqsend.transports.base import Deadline as Deadline

# Imported on first use: scripts start the program in loops, and few starts need every module.
# Each name is listed here and, for type checkers, above; a test compares the two lists.
_MODULES = {
    "client": ("SequencerClient",),
    "diagnosis.comparison": ("check",),
    "diagnosis.report": (
        "Diagnosis",
        "EndpointReport",
        "Head",
        "Samples",
        "Status",
        "Verdict",
    ),
    "errors": (
        "CallError",
        "DeliveryUnknown",
        "InputError",
        "Interrupted",
        "PersistenceError",
        "Rejected",
        "SeqsendError",
        "Unreachable",
        "UsageError",
    ),
    "explanation": (
        "Access",
        "Authorization",
        "ChainState",
        "Content",
        "Decoded",
        "Explanation",
    ),
    "failover.requester": ("Observer",),
    "models": (
        "Address",
        "Answer",
        "Attempt",
        "AttemptOutcome",
        "CallEnded",
        "Delivered",
        "Endpoint",
        "EndpointRole",
        "Event",
        "FindingCode",
        "JsonRpcError",
        "Level",
        "NotSent",
        "Phase",
        "Preference",
        "Preferred",
        "ReasonCode",
        "Role",
        "RolesAsked",
        "Sent",
        "TakesTransactions",
        "WaitProgress",
    ),
    "persistence.metrics": ("Metrics",),
    "persistence.state": ("State",),
    "sending.decoding": ("decode",),
    "sending.explaining": ("DryRun",),
    "sending.outgoing": ("End",),
    "sending.stream": (
        "Awaiting",
        "Ended",
        "GroupEnd",
        "Line",
        "Stream",
    ),
    "sending.transaction": (
        "RawTransaction",
        "parse_raw_transaction",
    ),
    "transports.base": ("Deadline",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_MODULE_OF, "__version__"])  # noqa: PLE0605 - each name is written once, above


if not TYPE_CHECKING:  # otherwise a type checker would accept any name

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
