"""Where a transaction is looked up by its hash: first at endpoints that may have it."""

import pytest

from seqsend.endpoints import parse_endpoints
from seqsend.failover.requester import Request
from seqsend.failover.submission import Submission
from seqsend.models import Attempt, AttemptOutcome, Delivered, JsonRpcError, Phase, ReasonCode
from seqsend.sending.outgoing import Outgoing, call_for
from seqsend.sending.transaction import parse_raw_transaction
from seqsend.verdicts.failure_table import VERDICT, Judgement
from tests.support.wallet import Wallet

TRANSACTION = parse_raw_transaction(Wallet(0).sign(2, nonce=0).raw)
ENDPOINTS = parse_endpoints("http://a,http://b,http://c,http://d")

ATTEMPTS: dict[str, tuple[AttemptOutcome, Phase, Delivered, ReasonCode]] = {
    "refused": ("failover", "dial", "no", "refused"),
    "dns": ("failover", "dns", "no", "dns_timeout"),
    "proxy": ("failover", "proxy", "no", "proxy_refused"),
    "tls": ("failover", "tls", "no", "dial_timeout"),
    "upgrade": ("failover", "upgrade", "no", "dial_timeout"),
    "abandoned early": ("abandoned", "dial", "no", "abandoned"),
    "turned away": ("failover", "answer", "no", "rate_limited"),
    "closed": ("failover", "answer", "unknown", "closed"),
    "timeout": ("failover", "answer", "unknown", "timeout"),
    "abandoned": ("abandoned", "answer", "unknown", "abandoned"),
    "verdict": ("verdict", "answer", "yes", "rejected"),
}


@pytest.mark.parametrize(
    ("met", "places"),
    [
        ([], [1, 2, 3, 4]),
        # The endpoint that answered comes first; an unreachable one is not asked.
        (["verdict"], [1, 2, 3, 4]),
        (["refused", "verdict"], [2, 3, 4]),
        (["dns", "verdict"], [2, 3, 4]),
        (["proxy", "verdict"], [2, 3, 4]),
        (["tls", "verdict"], [2, 3, 4]),
        (["upgrade", "verdict"], [2, 3, 4]),
        (["refused", "proxy", "tls", "dns"], []),
        # An endpoint that answered at all, or was abandoned while dialling, can be asked.
        (["turned away", "verdict"], [2, 1, 3, 4]),
        (["abandoned early", "verdict"], [2, 1, 3, 4]),
        # An endpoint that may have taken it comes even earlier, unless it is silent.
        (["closed", "verdict"], [1, 2, 3, 4]),
        (["turned away", "closed", "verdict"], [2, 3, 1, 4]),
        (["timeout", "verdict"], [2, 1, 3, 4]),
        (["abandoned", "refused", "verdict"], [3, 1, 4]),
        (["timeout", "closed", "verdict"], [2, 3, 1, 4]),
        # It is asked even if it was unreachable later.
        (["closed", "verdict", "refused", "refused", "refused"], [1, 2]),
    ],
)
def test_endpoints_are_asked_in_the_order_in_which_they_may_know_it(
    met: list[str], places: list[int]
) -> None:
    submission = Submission(Request(call_for(TRANSACTION), 1, b""))
    for number, name in enumerate(met):
        endpoint = ENDPOINTS[number if number < 4 else 0]
        outcome, phase, delivered, code = ATTEMPTS[name]
        attempt = Attempt(
            endpoint, "m", outcome, phase, delivered, 0.1, reason=name, reason_code=code
        )
        submission.add(attempt, float(number))
        if name == "verdict":
            said = JsonRpcError(-32000, "nonce too low")
            submission.decide(Judgement(VERDICT, error=said), endpoint)
    found = Outgoing(TRANSACTION, submission).places_to_look(ENDPOINTS)
    assert [endpoint.index for endpoint in found] == places
