"""Errors of nodes, proxies and providers: what they mean, whatever is wrapped around them."""

import json
import time
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsend.models import JsonRpcError, TakesTransactions
from seqsend.verdicts import node_errors, verdict_words
from seqsend.verdicts.kinds import KINDS
from seqsend.verdicts.methods import SEND_METHODS
from seqsend.verdicts.node_errors import (
    excuse_for,
    is_final,
    says_already_known,
    says_not_mined_yet,
    takes_transactions,
)
from seqsend.verdicts.verdict_words import fate_in
from seqsend.verdicts.words import LONGEST, MAX_LAYERS, plain, says, unwrap
from tests.support.sayings import EXCUSES, PHRASES, SAYINGS, VERDICTS, Phrase, Saying

SENDING = "eth_sendRawTransaction"


def meaning(error: JsonRpcError, method: str = SENDING) -> str:
    """Return how ``error`` is judged, as a letter of ``sayings.tsv``."""
    excuse = excuse_for(error)
    if excuse is not None:
        return "N" if excuse.delivered == "no" else "U"
    if says_not_mined_yet(error):
        return "S"
    return "V" if is_final(error, method) else "L"


@pytest.mark.parametrize("saying", SAYINGS, ids=str)
def test_each_saying_has_the_meaning_in_its_table(saying: Saying) -> None:
    assert meaning(saying.error, saying.method) == saying.meaning


@pytest.mark.parametrize("method", sorted(SEND_METHODS))
def test_every_method_that_sends_is_judged_alike(method: str) -> None:
    for saying in SAYINGS:
        if saying.method in SEND_METHODS:
            assert meaning(saying.error, method) == saying.meaning


def test_every_kind_is_met_by_a_saying() -> None:
    heard = {excuse_for(saying.error) for saying in EXCUSES}
    assert {(kind.reason_code, kind.delivered) for kind in KINDS} <= {
        (excuse.reason_code, excuse.delivered) for excuse in heard if excuse
    } | {("request_too_large", "no")}
    assert meaning(JsonRpcError(-32021, "request body too large")) == "N"  # proxyd


def judgement(error: JsonRpcError) -> str:
    """Return how ``error`` is judged, in the words of ``phrases.tsv``."""
    excuse = excuse_for(error)
    if excuse is not None:
        return f"{excuse.delivered} {excuse.reason_code}"
    return fate_in(plain(error.message)) or "unknown words"


@pytest.mark.parametrize("phrase", PHRASES, ids=str)
def test_each_phrase_is_judged_by_itself(phrase: Phrase) -> None:
    assert judgement(phrase.error) == phrase.judgement


@pytest.mark.parametrize(
    ("module", "name"),
    [(node_errors, "KINDS"), (verdict_words, "_TABLE")],
    ids=["not from me", "verdicts"],
)
def test_no_phrase_can_be_left_out(
    module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phrase that changes no judgement is dead, or lacks a text in a table to test it."""
    errors = [saying.error for saying in SAYINGS] + [phrase.error for phrase in PHRASES]
    words = {error: [layer.words for layer in unwrap(error)] for error in errors}
    before = {error: judgement(error) for error in errors}
    table = getattr(module, name)
    superfluous = []
    for number, line in enumerate(table):
        for phrase in line.phrases:
            others = tuple(each for each in line.phrases if each != phrase)
            less = [line._replace(phrases=others)] if others else []
            monkeypatch.setattr(module, name, (*table[:number], *less, *table[number + 1 :]))
            concerned = [e for e in errors if any(says(each, (phrase,)) for each in words[e])]
            if all(judgement(error) == before[error] for error in concerned):
                superfluous.append(phrase)
    assert superfluous == []


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.lower,
        str.title,
        lambda text: text.rstrip(".!") + "!",
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace(" ", "\n", 1),
    ],
)
def test_case_and_punctuation_change_nothing(change: Callable[[str], str]) -> None:
    for saying in SAYINGS:
        # JSON, tags, URLs and names written as one word have their own case.
        if any(mark in saying.error.message for mark in "{<\"/_'") or not (
            saying.error.message[1:].islower() or " " in saying.error.message
        ):
            continue
        changed = JsonRpcError(saying.error.code, change(saying.error.message))
        assert meaning(changed, saying.method) == saying.meaning, changed


def _quoted(error: JsonRpcError) -> str:
    return json.dumps(
        {"jsonrpc": "2.0", "id": 1, "error": {"code": error.code, "message": error.message}}
    )


# What is put around an error on its way: by replicas of op-geth, mantle, nitro and op-reth, by the
# HTTP clients in them, by gRPC, and by programs that print an error as an object.
WRAPPERS: dict[str, Callable[[JsonRpcError], str]] = {
    "mantle": lambda e: (
        f"failed to forward tx to sequencer, please try again. Error message: '{e.message}'"
    ),
    "mantle, err": lambda e: f"failed to forward tx to sequencer, err: '{e.message}'",
    "a forward": lambda e: f"failed to forward transaction to the sequencer: {e.message}",
    "a relay": lambda e: f'error relaying transaction: reason: "{e.message}"',
    "alloy": lambda e: f"server returned an error response: error code {e.code}: {e.message}",
    "alloy with data": lambda e: (
        f'server returned an error response: error code {e.code}: {e.message}, data: "0x"'
    ),
    "alloy, HTTP 400": lambda e: f"HTTP error 400 with body: {_quoted(e)}",
    "geth, HTTP 400": lambda e: f"400 Bad Request: {_quoted(e)}",
    "gRPC": lambda e: f"rpc error: code = Unknown desc = {e.message}",
    "jsonrpsee": lambda e: (
        f'ErrorObject {{ code: ServerError({e.code}), message: "{e.message}", data: None }}'
    ),
    "ethers-rs": lambda e: f"(code: {e.code}, message: {e.message}, data: None)",
    "Python": lambda e: f"{{'code': {e.code}, 'message': '{e.message}'}}",
}
_OF_A_VERDICT: dict[str, Callable[[JsonRpcError], str]] = {
    "geth, HTTP 503": lambda e: f"503 Service Unavailable: {_quoted(e)}",
    "Go": lambda e: f'Post "https://seq.example:8545/rate-limit": {e.message}',
}
_PLAIN = [s for s in SAYINGS if s.meaning != "S"]
_KNOWN = [s for s in VERDICTS if fate_in(plain(s.error.message))]


def _wrap(error: JsonRpcError, names: list[str]) -> JsonRpcError:
    wrappers = WRAPPERS | _OF_A_VERDICT
    for name in names:
        error = JsonRpcError(-32000, wrappers[name](error))
    return error


@given(
    st.sampled_from(_KNOWN), st.lists(st.sampled_from(sorted(WRAPPERS | _OF_A_VERDICT)), max_size=3)
)
def test_a_verdict_means_the_same_inside_every_wrapper(saying: Saying, names: list[str]) -> None:
    assert meaning(_wrap(saying.error, names), SENDING) == meaning(saying.error, SENDING)


@given(st.sampled_from(_PLAIN), st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=1, max_size=3))
def test_other_errors_mean_the_same_inside_every_wrapper(saying: Saying, names: list[str]) -> None:
    if saying in VERDICTS and saying not in _KNOWN:
        return  # see the next test
    if excuse_for(saying.error) is not None and _by_code_alone(saying):
        return
    wrapped = _wrap(saying.error, names)
    assert meaning(wrapped, SENDING) == meaning(saying.error, SENDING), wrapped


def _by_code_alone(saying: Saying) -> bool:
    return excuse_for(JsonRpcError(-32000, saying.error.message)) != excuse_for(saying.error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A node that answered with an error has judged, in any words …
        ("server returned an error response: error code -32000: the moon is blue", "L"),
        ("failed to forward tx: server returned an error response: error code -32000: no", "L"),
        ('400 Bad Request: {"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"no"}}', "L"),
        # … but what a client met on the way may be anything.
        ("failed to forward tx to sequencer, err: 'the moon is blue'", "U"),
        ('Post "https://seq": the moon is blue', "U"),
        (
            '503 Service Unavailable: {"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"no"}}',
            "U",
        ),
        # The status of an answer says whether it was passed on.
        ('HTTP error 429 with body: {"error":{"code":3,"message":"nonce too low"}}', "N"),
        ("HTTP error 403 with body: <html>nonce too low</html>", "N"),
        ("401 Unauthorized: ", "N"),
        ("521 Web server is down", "N"),
        ("400 Bad Request: <html>", "U"),
        ("unexpected status code: 502", "U"),
        ("HTTP status client error (404 Not Found) for url (https://seq/)", "N"),
        # A dial, DNS or TLS that failed, in the words of Go, Rust, libuv, Java
        ('Post "https://seq": dial tcp: lookup seq on 10.0.0.2:53: no such host', "N"),
        ('Post "https://seq": net/http: TLS handshake timeout', "N"),
        ("error sending request for url (https://seq/): client error (Connect): dns error", "N"),
        ("connect ECONNREFUSED 127.0.0.1:8545", "N"),
        ('Post "https://seq": read tcp 10.0.0.1:5->10.0.0.2:443: connection reset by peer', "U"),
        ('Post "https://seq": http: server closed idle connection', "U"),
        ("Post https://seq: EOF", "U"),
        ("rpc error: code = Unavailable desc = transport is closing", "U"),
        ("rpc error: code = DeadlineExceeded desc = stream terminated", "U"),
        ("rpc error: code = Unimplemented desc = unknown service", "N"),
        ("rpc error: code = AlreadyExists desc = already known", "L"),
        # A refusal of one word, inside each wrapper
        ("failed to relay transaction: Forbidden", "N"),
        ("rpc error: code = Unknown desc = Forbidden", "N"),
        ("transaction not accepted, reason: 'Forbidden'", "N"),
        ("error: Forbidden", "N"),
        # An inner code counts like the code of an answer.
        ("(code: -32601, message: the moon is blue, data: None)", "N"),
    ],
)
def test_errors_of_clients_and_relays_have_their_meaning(text: str, expected: str) -> None:
    assert meaning(JsonRpcError(-32000, text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Words that say why nothing was delivered are more exact than the status beside them …
        ("429 Too Many Requests", "no rate_limited"),
        ("no backend: 401 Unauthorized, must be authenticated", "no credentials"),
        # … which says more than words that leave it open.
        ("request timed out: HTTP status 404", "no forward_failed"),
        ("request timed out: HTTP status 502", "unknown node_timeout"),
        ("HTTP status 502", "unknown forward_failed"),
    ],
)
def test_words_beside_a_status_count_if_they_are_more_exact(text: str, expected: str) -> None:
    assert judgement(JsonRpcError(-32000, text)) == expected


PREFIXES = (
    "INTERNAL_ERROR: ",
    "rpc error: code = Unknown desc = ",
    "err: ",
    "error: ",
    "execution failed: ",
    "could not add tx to pool: ",
    "failed to send transaction: ",
    "transaction rejected by the sequencer: ",
    "Internal error: ",
    "VM execution error: ",
    "sequencer: ",
    "[endpoint 1] ",
)


@given(st.sampled_from(VERDICTS), st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3))
def test_no_prefix_turns_a_verdict_into_an_outage(saying: Saying, prefixes: list[str]) -> None:
    error = JsonRpcError(saying.error.code, "".join(prefixes) + saying.error.message)
    assert meaning(error, SENDING) in "VLS"


@given(st.sampled_from(_KNOWN), st.sampled_from(EXCUSES))
def test_an_excuse_after_a_known_verdict_does_not_excuse_it(
    verdict: Saying, excuse: Saying
) -> None:
    for joint in (": ", ", ", " - ", ". "):
        error = JsonRpcError(
            -32000, verdict.error.message.rstrip("}") + joint + excuse.error.message
        )
        if len(unwrap(error)) == 1:
            assert meaning(error) in "VL", error


@given(st.integers(-40_000, 10_000).filter(lambda c: c not in {-32601, -32604, -32004, 429}))
def test_a_code_alone_never_makes_an_excuse(code: int) -> None:
    assert meaning(JsonRpcError(code, "the moon is not in the right phase")) == "L"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("already known", True),
        ("AlreadyKnown", True),
        ("ALREADY_EXISTS: already known", True),
        ("tx already in mempool", True),
        ("transaction already exists", True),
        ("already have transaction", True),
        ("known transaction: 0xab", True),
        ("Transaction with the same hash was already imported.", True),
        ("The transaction was added to the transaction pool but wasn't processed in 2s", True),
        ("failed to forward tx to sequencer, err: 'already known'", True),
        ("unknown transaction", False),
        ("nonce too low", False),
        ("nonce has already been used", False),
        ("replacement transaction underpriced", False),
        ("execution reverted: already known", False),
        ("contract already exists", False),
        ("there is another tx which has the same nonce in the tx pool", False),
    ],
)
def test_already_known_is_recognised_only_of_this_very_transaction(text: str, known: bool) -> None:  # noqa: FBT001
    assert says_already_known(JsonRpcError(-32000, text)) is known
    assert meaning(JsonRpcError(-32000, text)) == "L"


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (4, "The transaction was added to the mempool but wasn't processed in 5s.", True),
        (4, "timeout waiting for the receipt", True),
        (4, "transaction not yet included", True),
        (4, "nonce too low", False),
        (-32000, "The transaction was added to the mempool but wasn't processed in 5s.", False),
    ],
)
def test_accepted_but_not_mined_is_recognised_by_code_and_words(
    code: int,
    text: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert says_not_mined_yet(JsonRpcError(code, text)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, "inconclusive"),
        (JsonRpcError(-32000, "typed transaction too short"), "yes"),  # geth
        (JsonRpcError(-32602, "empty transaction data"), "yes"),  # reth, anvil
        (JsonRpcError(-32602, "Invalid transaction params (missing or incorrect)"), "yes"),  # besu
        (JsonRpcError(-32000, "Invalid RLP."), "yes"),  # nethermind
        (JsonRpcError(-32000, "EOF"), "yes"),  # geth of old
        (JsonRpcError(-32601, "Method not found"), "no"),
        (JsonRpcError(-32600, "Unsupported method: eth_sendRawTransaction"), "no"),
        (JsonRpcError(-32000, "node is syncing"), "no"),
        (JsonRpcError(-32000, "sequencer is stopped"), "no"),
        (JsonRpcError(-32000, "refusing to proxy request to non-leader sequencer"), "no"),
        (JsonRpcError(-32000, "failed to forward tx to sequencer"), "no"),
        (JsonRpcError(-32016, "over rate limit"), "inconclusive"),
        (JsonRpcError(-32603, "Internal error"), "inconclusive"),
        (JsonRpcError(-32000, "the moon is blue"), "inconclusive"),
    ],
)
def test_the_answer_to_an_empty_transaction_shows_whether_sends_are_taken(
    error: JsonRpcError | None, expected: TakesTransactions
) -> None:
    assert takes_transactions(error) == expected


def test_words_are_compared_in_one_form() -> None:
    assert plain("AlreadyKnown") == plain("ALREADY_EXISTS").replace("exists", "known")
    assert plain(" Rate-limit\r\n exceeded: eth_gasPrice, see https://x/base-fee ") == (
        "rate limit exceeded: method, see url"
    )
    assert plain("RLPTooLong URLs TLS") == "rlp too long urls tls"


HOSTILE = (
    "a ", "{", '{"a":', "err: '", 'Post "', "forward", "rpc error: code = x desc = ", "error: -1: ",
    "code: -1, message: '", "503 Bad Gateway: ", "nonce ", "internal ", "id ", "not ", "aA", "_",
    "x://", "method ", "sender ", "already ", "too many ", "HTTP error 503 with body: ", '\\"',
)  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_text_costs_little(unit: str) -> None:
    text = unit * (2_000_000 // len(unit))
    started = time.process_time()
    excuse_for(JsonRpcError(-32000, text))
    assert len(unwrap(JsonRpcError(-32000, text))) <= MAX_LAYERS
    assert time.process_time() - started < 2  # 0.1 s when this was written


def test_text_beyond_the_limit_is_ignored() -> None:
    assert meaning(JsonRpcError(-32000, "x" * LONGEST + " rate limit")) == "L"


@given(st.text(), st.integers())
def test_any_text_is_judged(text: str, code: int) -> None:
    assert meaning(JsonRpcError(code, text)) in "VLNUS"
