"""Every error of the library.

::

    SeqsendError
    ├── UsageError            wrong input: nothing was sent
    ├── InputError            a file or stdin cannot be read to its end
    ├── PersistenceError      a file kept between runs cannot be used; it is left as it is
    ├── EndpointFailure       one attempt failed; the failover loop turns it into an Attempt
    └── CallError             a call ended without a trustworthy result
        ├── Rejected          an endpoint answered with a JSON-RPC error
        ├── Unreachable       every endpoint failed and none can have received the request
        └── DeliveryUnknown   no trustworthy answer, and at least one may have received it
"""

from typing import Any

from seqsend.models import Attempt, Delivered, Endpoint, JsonRpcError, ReasonCode
from seqsend.redaction import excerpt, redact_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seqsend.explanation import Explanation  # few errors have one


class SeqsendError(Exception):
    """The base of every error that this library raises on purpose."""


class UsageError(SeqsendError, ValueError):
    """An option, URL, duration, parameter or raw transaction is wrong. Nothing was sent."""

    def __init__(self, problem: str, *, example: str) -> None:
        """``problem`` says what is wrong and where; ``example`` is a right value."""
        super().__init__(f"{problem}; example: {example}")
        self.problem = problem
        self.example = example

    def __reduce__(self) -> "tuple[Any, tuple[str, str]]":
        return _usage_error, (self.problem, self.example)

    def within(self, place: str) -> "UsageError":
        """Return the same error with ``place`` before its message."""
        return UsageError(f"{place}: {self.problem}", example=self.example)

    def redacting(self, text: str) -> "UsageError":
        """Return the same error with its quotations of ``text``, as typed, redacted."""
        return UsageError(redact_quoted(self.problem, text), example=self.example)

    def noting(self, remark: str) -> "UsageError":
        """Return the same error with a remark on its possible cause."""
        return UsageError(f"{self.problem} ({remark})", example=self.example)


def _usage_error(problem: str, example: str) -> UsageError:
    """Make a pickled error again: pickle passes no arguments by keyword."""
    return UsageError(problem, example=example)


class InputError(SeqsendError):
    """Transactions could not be read from a file or stdin, or not to the end."""

    def __init__(self, name: str, reason: str) -> None:
        """``name`` says which input; ``reason`` is usually the system's message, with the line."""
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name} could not be read: {self.reason}"


class PersistenceError(SeqsendError):
    """A file that is kept between runs could not be read or replaced; nothing has changed."""

    def __init__(self, reason: str, *, left: bool = True) -> None:
        """``left``: the file is there, but not as it should be, and was left as it is."""
        super().__init__(reason)
        self.left = left


class EndpointFailure(SeqsendError):
    """A transport got no answer that can be used.

    Raised by transports only, and never seen outside the failover loop.
    """

    def __init__(
        self, reason: str, reason_code: ReasonCode, http_status: int | None = None
    ) -> None:
        """``reason`` is one line of our own; a library's text might quote the URL."""
        super().__init__(reason, reason_code, http_status)
        self.reason = reason
        self.reason_code = reason_code
        self.http_status = http_status

    def __str__(self) -> str:
        return self.reason


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a call; ``attempts`` is what was tried until then, the last one included."""

    def __init__(self, *attempts: Attempt) -> None:
        super().__init__()
        self.attempts = attempts

    @property
    def elapsed(self) -> float:
        """Seconds that the attempts took together."""
        return sum(attempt.elapsed for attempt in self.attempts)


class CallError(SeqsendError):
    """A call ended without a result.

    ``str()`` lists every attempt, in order; from a retry's later rounds only what is new.
    """

    status: str
    """How it ended: ``rejected``, ``unreachable`` or ``unknown``."""
    delivered: Delivered
    """Whether any endpoint can have received the request."""

    def __init__(
        self,
        method: str,
        attempts: tuple[Attempt, ...],
        elapsed: float,
        *,
        note: str | None = None,
        error: JsonRpcError | None = None,
        endpoint: Endpoint | None = None,
        hash: str | None = None,  # noqa: A002 - the field's term, as in Sent.hash
    ) -> None:
        super().__init__(method, attempts, elapsed)
        self.method = method
        self.attempts = attempts
        """Everything that was tried, in order."""
        self.elapsed = elapsed
        """Seconds from the start of the call to its end."""
        self.note = note
        """Why the call ended here, if the attempts do not say so; None otherwise."""
        self.error = error
        """The JSON-RPC error behind this end, if an endpoint gave one."""
        self.endpoint = endpoint
        """The endpoint that answered, if one did."""
        self.hash = hash
        """The hash of the transaction, computed here, if the call was to send one."""

    @property
    def code(self) -> int | None:
        """The JSON-RPC error's code."""
        return self.error.code if self.error else None

    @property
    def message(self) -> str | None:
        """The JSON-RPC error's message, unchanged."""
        return self.error.message if self.error else None

    @property
    def data(self) -> Any:
        """The JSON-RPC error's data, unchanged."""
        return self.error.data if self.error else None

    @property
    def headline(self) -> str:
        """What happened, in one line without the attempts."""
        raise NotImplementedError

    @property
    def _subject(self) -> str:
        return "the transaction" if self.hash else self.method

    def __str__(self) -> str:
        lines: list[str] = []
        for attempt in self.attempts:
            line = f"{attempt.endpoint}: {attempt.reason}"
            is_failure = attempt.reason and attempt.outcome != "verdict"
            # There may be hundreds of rounds: later ones add only what is new.
            if is_failure and (attempt.round == 1 or line not in lines):
                lines.append(line)
        return "\n  ".join([self.headline, *lines])


class Rejected(CallError):
    """An endpoint answered with a JSON-RPC error: its verdict is final."""

    status = "rejected"
    delivered = "yes"
    explanation: "Explanation | None" = None
    """Why, as far as the state of the chain shows it; None if it was not asked for."""

    def explained(self, explanation: "Explanation") -> "Rejected":
        """Return the same error with an explanation."""
        explained = Rejected(
            self.method,
            self.attempts,
            self.elapsed,
            note=self.note,
            error=self.error,
            endpoint=self.endpoint,
            hash=self.hash,
        )
        explained.explanation = explanation
        return explained

    @property
    def headline(self) -> str:
        """The endpoint, the error's text and its code."""
        return f"rejected by {self.endpoint}: {excerpt(self.message or '')} (code {self.code})"


class Unreachable(CallError):
    """Every endpoint failed, and none of them can have received the request."""

    status = "unreachable"
    delivered = "no"

    @property
    def headline(self) -> str:
        """That nothing was delivered, and why, if the call ended early."""
        said = f"{self._subject} was not delivered: no endpoint took it"
        return f"{said} ({self.note})" if self.note else said


class DeliveryUnknown(CallError):
    """No endpoint gave a trustworthy answer, and at least one may have the request."""

    status = "unknown"
    delivered = "unknown"

    @property
    def headline(self) -> str:
        """That delivery is not known, and the verdict that cannot be trusted, if there is one."""
        said = f"{self._subject} may have been delivered, but no endpoint could confirm it"
        if self.error is not None:
            said += (
                f"; {self.endpoint} said: {excerpt(self.error.message)} (code {self.error.code})"
            )
        return f"{said} ({self.note})" if self.note else said
