"""The words of verdicts: what nodes say about a transaction that they have judged. Pure.

Words of this table make an error a verdict, whatever else it says ("nonce too low: rate …"). They
also tell how far to trust it: after a *final* verdict nobody has the transaction; after any other
it may be on the chain or in a pool, and a look-up by its hash must tell. An error in unknown words
that is not an excuse is a verdict, too, and needs a look-up.
"""

from typing import Literal, NamedTuple

from seqsend.verdicts.words import says

Fate = Literal["known", "spent", "contract", "final"]
"""``known``: the node says it has this transaction. ``spent``: its nonce is taken, perhaps by this
transaction. ``contract``: words of a contract, which some nodes return for a transaction that they
have mined (hardhat, anvil). ``final``: nobody took it."""


class _Words(NamedTuple):
    fate: Fate
    phrases: tuple[str, ...]
    """As `words.says` takes them."""


INSUFFICIENT_FUNDS = (
    (
        r"insufficient (?:sender |account |eth |ether |l1 |native |token |gas |fee |max )*"
        r"(?:funds?|balance|ether|eth)\b"
    ),
    r"(?:not enough|lacks?|lacking) … (?:funds|balance|ether)\b",
    r"enough (?:funds|balance) to\b",
    r"balance (?:is )?(?:too low|not enough|insufficient)",
    r"(?:cost|value|amount|fee)s? … exceeds? … (?:balance|funds)",
)
"""The sender cannot pay: the node looked its balance up in the state of the chain."""

# The first line that matches applies: a text that names a spent nonce and a fee is not final.
# Sources, as of 2026: go-ethereum core/txpool/errors.go, core/error.go, core/vm/errors.go and
# internal/ethapi, with op-geth, bor, bsc and coreth; reth crates/rpc/rpc-eth-types/src/error and
# crates/transaction-pool; erigon txnprovider/txpool/txpoolcfg; nethermind TxPoolErrorMessages and
# AcceptTxResult; besu RpcErrorType; nitro execution/gethexec; zksync-era tx_sender/result.rs;
# hardhat, anvil and openethereum; erpc architecture/evm/error_normalizer.go for more networks.
_TABLE = (
    _Words(
        "contract",
        (
            r"revert(?:ed)?\b",
            r"vm (?:exception|execution)",
            "invalid opcode",
            "out of gas",
            r"validation (?:error|revert)",  # by a contract that is an account: zksync-era
        ),
    ),
    _Words(
        "known",
        (
            (
                r"already (?:(?:been|being|is|was|a|an|the) )?(?:known|imported|submitted|received"
                r"|added|included|mined|processed|pending|present|executed|confirmed|seen|sent"
                r"|queued"
                r"|accepted|broadcast)"
            ),
            (
                r"already (?:is )?in (?:the )?(?:tx |local )?"
                r"(?:mem ?pool|cache|pool|tx ?pool|queue|system|block|chain)"
            ),
            r"(?<!account )(?<!address )(?<!contract )(?<!nonce )already exists?\b",
            r"already (?:have|has) (?:this |the |that |a )?(?:transaction|txn?)\b",
            r"(?<!un)known (?:transaction|txn?)\b",
            r"existing txn? with same hash",
            r"duplicated? (?:transaction|txn?)\b",
            r"transaction with (?:the )?same hash\b",
            # EIP-7966: taken, and not mined in the time that was given
            r"(?:added|submitted|sent) to the (?:transaction |tx |mem ?)*pool\b",
        ),
    ),
    _Words(
        "spent",
        (
            (
                r"(?<!authority )nonce … (?:too low|already|used|lower|less than|smaller|below"
                r"|stale"
                r"|expired|consumed|invalid|mismatch|incorrect|wrong|not match)"
            ),
            (
                r"(?:invalid|incorrect|wrong|bad|old|stale|duplicated?|same|used|unexpected"
                r"|reused|lower)"
                r" (?:\S+ )?(?:nonce|sequence)\b"
            ),
            r"(?:account |nonce )?sequence mismatch",
            # Another transaction has the nonce, or this one in other words: some nodes say so of
            # the same transaction sent again (go-ethereum ErrReplaceUnderpriced,
            # ErrFutureReplacePending, ErrAlreadyReserved; nethermind; zksync-era)
            r"replac(?:e|es|ed|ing|ement)\b",
            r"another (?:transaction|txn?)\b",
            "already reserved",
        ),
    ),
    _Words(
        "final",
        (
            *INSUFFICIENT_FUNDS,
            (
                r"insufficient (?:sender |account |eth |ether |l1 |native |token |gas |fee |max )*"
                r"(?:fees?|payment|gas)\b"
            ),
            # Gas and fees
            r"gas (?:price|limit|fee|tip|cap|required|uint|used|allowance|too|is too|bump)",
            r"(?:intrinsic|block|floor|blob|not enough|more|max(?:imum)?|data|transaction) gas\b",
            r"base ?fees?\b(?! sub)",  # not erigon's "baseFee sub-pool is full"
            r"(?:fee|tip|gas) cap\b",
            r"max (?:priority )?fees?\b",
            r"priority fees?\b",
            r"under ?priced\b",
            r"(?:fees?|tips?) (?:is |are )?(?:too|below|less|lower|very)\b",
            r"(?:txn?|transaction|l1|blob|rollup) (?:fees?|price|cost)\b",
            "fee not paid",
            "tip above",
            # Signature, sender and chain
            r"signature\b",
            r"invalid (?:transaction )?v\b",
            r"invalid (?:sender|signer)",
            r"recover(?:ing)? (?:the )?(?:sender|signer)",
            "ecrecover",
            r"chain ?id\b",
            r"network id\b",
            r"replay protected\b",
            r"sender (?:is )?(?:not an? eoa|a contract|has (?:code|deployed))",
            (
                r"(?:sender|account|caller|deployer|address|from) … (?:not|non) (?:an? )?"
                r"(?:eoa|externally|authori[sz]ed|allow|permitted|whitelisted)"
            ),
            r"(?:sender|account|deployer|address) … not in (?:the |an? )?(?:allow|white) ?list",
            r"non allow ?listed address",
            r"unauthori[sz]ed (?:sender|account|deployer)\b",
            r"(?:sender|recipient|account|address|code) (?:\S+ )?(?:is )?banned\b",
            # Size and shape
            r"oversized\b",
            r"(?:max(?:imum)? )?init ?code\b",
            "negative value",
            (
                r"(?:txn?|transaction|call ?data|data|envelope) (?:rlp )?(?:size |length |data "
                r"|is )*"
                r"(?:too (?:large|big|long)|exceeds?|over)\b"
            ),
            r"rlp\b",
            r"empty (?:raw )?transaction",
            r"(?:decode|decoding|deserializ\w+|unmarshal|parse) … (?:transaction|txn?|hex)\b",
            r"invalid (?:transaction )?(?:params|parameter|argument|raw transaction|hex|encoding)",
            r"^invalid transaction\W*$",
            "missing value for required argument",
            # Nonces to come
            r"nonce … (?:too (?:high|far|distant|large|big)|gap|has max|overflow)",
            r"nonce ?gap\b",
            "future nonce",
            # Types
            r"(?:transaction|txn?) type\b",
            r"unsupported (?:transaction|txn?)\b",
            (
                r"(?:blobs?|legacy|typed|deposit|set code|access list) (?:transactions?"
                r"|txn?s?"
                r"|type|sidecar|gas|hash\w*|count|version\w*|failed|is|are)\b"
            ),
            r"eip ?\d+\b",
            r"(?:missing|too many|no) blobs?\b",
            r"sidecar\b",
            r"kzg\b",
            r"authori(?:ty|[sz]ation) (?:list|nonce|tuple)\b",
            r"set code\b",
            # Filters and policies of sequencers: proxyd's and nitro's transaction filters,
            # op-interop-filter, linea's deny list and limits on modules
            (
                r"^(?:transaction|txn?) (?:was |is |has been )?(?:rejected|denied|discarded"
                r"|not allowed"
                r"|not permitted)"
            ),
            r"interop failsafe",
            r"(?:black|deny) ?list",
            r"sanction",
            "denied address",
            r"cross (?:chain|l2|domain)\b",
            r"filtered\b",
            r"(?:line|module) count\b",
            # Conditions: op-geth core/types/transaction_conditional.go
            r"failed (?:parent |latest )?block\b",
            r"storage (?:constraint|slot|root|condition)",
            r"known accounts?\b",
            r"(?:block number|timestamp) (?:min|max|constraint|condition|range)",
            r"conditional\b",
            r"conditions? (?:not met|failed)",
        ),
    ),
)


def fate_in(words: str) -> Fate | None:
    """Return the fate that `plain` words state for a transaction; None if they are unknown."""
    return next((line.fate for line in _TABLE if says(words, line.phrases)), None)
