"""What a mistyped option or command may have meant."""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

# An option here → its names in other programs: curl, cast, gh, httpie, kubectl, op-geth, op-reth
# and the like. A name may stand for several options, of which a command has few.
_MEANT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--rollup.sequencer-http": (
            *("--rpc-url", "--rpc", "--url", "--urls", "--endpoint", "--endpoints", "--node", "-r"),
            *("--sequencer", "--sequencer-url", "--sequencer-http", "--provider", "--eth-rpc-url"),
            *("--sequencer-rpc", "--rpc-endpoint", "--host", "--server", "--http", "--ws"),
        ),
        "--rollup.sequencer-headers": (
            *("--header", "--headers", "--rpc-headers", "-H", "--user", "-u", "--auth", "-a"),
            *("--token", "--bearer", "--jwt", "--jwt-secret", "--api-key"),
        ),
        "--reads-from": ("--read-rpc", "--read-url", "--replica", "--replicas", "--archive"),
        "--rollup-rpc": (
            *("--op-node", "--op-node-rpc", "--op-node-url", "--conductor", "--conductor-rpc"),
            *("--rollup-rpc-url", "--rollup-url", "--rollup.rpc"),
        ),
        "--sequencer-request-timeout": (
            *("--timeout", "--request-timeout", "--rpc-timeout", "--read-timeout", "-t"),
        ),
        "--sequencer-dial-timeout": ("--dial-timeout", "--connect-timeout"),
        "--deadline": ("--max-time", "-m", "--total-timeout", "--time-limit"),
        "--failback-after": ("--failback", "--fail-back", "--failback-interval"),
        "--hedge-after": ("--hedge", "--hedging"),
        "--max-response-size": ("--max-filesize", "--max-size", "--limit-size"),
        "--cacert": ("--ca", "--ca-cert", "--ca-file", "--cafile", "--ca-bundle", "--capath"),
        "--client-cert": ("--cert", "--certificate", "-E"),
        "--client-key": ("--key", "--cert-key"),
        "--strict-errors": ("--strict",),
        "--state-file": ("--state", "--cache", "--cache-file"),
        "--metrics-file": ("--metrics", "--prometheus", "--textfile"),
        "--json": ("--output", "-o", "--format", "-j", "--output-json"),
        "--quiet": ("--silent", "-s", "--no-progress"),
        "--verbose": ("--debug", "--trace", "--log-level"),
        "--file": ("--input", "--input-file", "--from-file", "-f"),
        "--batch-size": ("--batch",),
        "--in-flight": (
            *("--concurrency", "--parallel", "--max-in-flight", "--workers", "--jobs", "-P"),
        ),
        "--keep-going": ("--continue", "--continue-on-error", "--ignore-errors"),
        "--retry-for": (
            *("--retries", "--retry", "--max-retries", "--retry-max-time", "--retry-delay"),
        ),
        "--sync": ("--synchronous",),
        "--wait": ("--receipt", "--confirm", "--confirmations", "--wait-for-receipt", "-w"),
        "--wait-for": ("--level", "--finality", "--block-tag"),
        "--wait-timeout": ("--receipt-timeout", "--confirm-timeout"),
        "--no-explain": ("--no-reason", "--no-why"),
        "--chain-id": ("--chain", "--network-id", "--chainid", "--network"),
        "--dry-run": ("--simulate", "--no-send", "--noop", "--estimate"),
        "--conditional": ("--conditions", "--condition", "--options"),
        "--raw": ("--params", "--data", "-d", "--data-raw", "--body"),
        "--watch": ("--interval", "--follow", "-w", "-f", "--every", "--refresh"),
        "--count": ("--repeat", "-n", "-c", "--samples", "--iterations"),
        "--max-age": (
            *("--max-block-age", "--max-head-age", "--head-age", "--stale-after"),
            *("--max-staleness",),
        ),
        "--max-lag": ("--lag", "--max-block-lag", "--max-behind", "--tolerance"),
        "--max-safe-lag": ("--safe-lag", "--max-safe-age"),
        "--until-usable": (
            *("--wait-for-ready", "--wait", "--wait-for", "--until-ready", "--wait-until-usable"),
            *("--wait-ready", "--until", "--ready"),
        ),
        "--require": ("--any", "--min-usable", "--quorum", "--require-any"),
        "--probe-forward": ("--probe", "--deep", "--test-send", "--probe-send", "--forward"),
    }
)

_SIGNED = "seqsend signs nothing: sign first, as with cast mktx"
_FIXED = "it is fixed when the transaction is signed"
# Why there is no such option → the names that ask for one.
_NOT_HERE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        _SIGNED: (
            *("--private-key", "--mnemonic", "--keystore", "--account", "--from", "--ledger"),
            *("--trezor", "--password", "--password-file", "--unlocked", "--interactive"),
        ),
        _FIXED: (
            *("--nonce", "--value", "--gas-limit", "--gas", "--gas-price", "--legacy"),
            *("--priority-gas-price", "--max-fee-per-gas", "--to"),
        ),
        "TLS is always verified; --cacert trusts an authority of your own": (
            *("--insecure", "-k", "--no-verify", "--verify", "--skip-verify"),
            *("--no-check-certificate",),
        ),
        "the proxy is read from HTTPS_PROXY and NO_PROXY in the environment": ("--proxy", "-x"),
        "redirects are never followed": ("--location", "-L", "--follow", "--follow-redirects"),
        "NO_COLOR=1 in the environment removes colour": (
            *("--no-color", "--no-colour", "--color", "--colour"),
        ),
        "send does not wait unless --wait is given": ("--async", "--cast-async", "--no-wait"),
        "options are read from SEQSEND_… variables, not from a file": ("--config", "--env-file"),
    }
)
_LIKE = 0.75  # of difflib; below that, a match has little in common with what was typed


def find_same_meaning(name: str, known: Collection[str]) -> list[str]:
    """Return the ``known`` options that other programs call ``name``."""
    spelt = name.lower() if name.startswith("--") else name
    return [meant for meant, others in _MEANT.items() if spelt in others and meant in known]


def suggest_options(name: str, known: Collection[str]) -> list[str]:
    """Return the ``known`` options that ``name`` may stand for, the best first."""
    same_meaning = find_same_meaning(name, known)
    if same_meaning:
        return same_meaning
    if re.match("-[^-]", name):
        longer = f"-{name}"
        return [longer] if longer in known else suggest_options(longer, known)
    from difflib import get_close_matches  # only after a mistake

    return get_close_matches(name, known, n=2, cutoff=_LIKE)


def explain_option(name: str, known: Collection[str], elsewhere: Sequence[str] = ()) -> str:
    """Return what to do instead of the option ``name``, which is not among the ``known`` ones.

    Args:
        name: what was typed, without its value.
        known: the options of the command.
        elsewhere: the other commands that have an option of this very name.

    Returns:
        A phrase without a full stop; empty if there is nothing to say.

    """
    if re.match("-[^-].", name):
        name = f"-{name}"
    meant = [name] if name in known else find_same_meaning(name, known)
    if not meant and elsewhere:
        verb = "have" if len(elsewhere) > 1 else "has"
        return f"only {' and '.join(elsewhere)} {verb} it, after the command"
    note = next((why for why, names in _NOT_HERE.items() if name in names), "")
    if not meant and note:
        return note
    meant = meant or suggest_options(name, known)
    return f"did you mean {' or '.join(meant)}?" if meant else ""


def find_single_dash(arguments: Sequence[str], known: Collection[str]) -> str | None:
    """Return the first of ``arguments`` that is a long option with one dash, such as ``-wait``.

    typer reads it as several short options, and its error names only one letter of it.
    """
    for argument in arguments:
        name = argument.partition("=")[0]
        if re.fullmatch("-[a-z][a-z.-]+", name) and suggest_options(name, known):
            return name
    return None


class Suggestion(NamedTuple):
    """What a word in place of a command may have meant."""

    shown: str | None
    """What to quote in its place; None for the word itself, redacted."""
    said: str
    """What is wrong or meant, in a few words; empty if that is not known."""
    example: str | None
    """A command line to type instead; None for the program's own."""


# A command → other names that people may type.
_COMMANDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "send": (
            *("transaction", "transactions", "tx", "txs", "submit", "publish", "broadcast", "push"),
            *("sendtx", "send-tx", "send-raw", "sendraw", "sendRawTransaction", "forward", "raw"),
        ),
        "check": (
            *("health", "healthcheck", "status", "ping", "probe", "diagnose", "doctor", "verify"),
            *("test", "monitor", "watch", "endpoints", "list", "info", "ready", "wait"),
        ),
        "rpc": ("call", "request", "jsonrpc", "json-rpc", "curl", "method", "query", "get"),
        "decode": (
            *("parse", "inspect", "show", "dump", "decode-tx", "decode-transaction", "explain"),
            *("decodetx", "hash"),
        ),
    }
)
# A command line here → the words that ask for the same, many of them cast's (`cast --help`).
_LINES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "seqsend --help": ("help", "?", "usage"),
        "seqsend --version": ("version", "v"),
        "seqsend --show-completion bash": ("completion", "completions", "autocomplete"),
        "seqsend send -": ("-",),
        "seqsend rpc eth_chainId": ("chain-id", "chainid", "chain"),
        "seqsend rpc eth_blockNumber": ("block-number", "bn", "head"),
        "seqsend rpc eth_getBlockByNumber latest false": ("block", "bl"),
        "seqsend rpc eth_gasPrice": ("gas-price", "gas"),
        "seqsend rpc eth_getTransactionCount ADDRESS pending": ("nonce",),
        "seqsend rpc eth_getBalance ADDRESS latest": ("balance",),
        "seqsend rpc eth_getTransactionReceipt HASH": ("receipt", "re"),
        "seqsend rpc web3_clientVersion": ("client",),
    }
)
_METHOD = re.compile(
    "(eth|net|web3|txpool|debug|trace|admin|miner|optimism|conductor|rollup|arb|zks|linea|engine)"
    "_[A-Za-z0-9]{1,40}"
)
_ADDRESS = re.compile(r"(?i)(https?|wss?):.*|.*://.*|[a-z0-9.-]+:[0-9]{1,5}(/.*)?|localhost.*")
_INPUT_FILE = re.compile(r".+\.(txt|jsonl?|csv|hex|raw|tx)")
_HEX = re.compile("0[xX][0-9a-fA-F]*|[0-9a-fA-F]{40,}")
# By the number of digits; of any other length, it is a raw transaction.
_HEX_OF_LENGTH: Mapping[int, Suggestion] = MappingProxyType(
    {
        # It may also be a private key.
        64: Suggestion(
            "0x…",
            "32 bytes: to look up a transaction by its hash, use rpc",
            "seqsend rpc eth_getTransactionReceipt HASH",
        ),
        40: Suggestion(
            "0x…",
            "to ask about an address, use rpc",
            "seqsend rpc eth_getTransactionCount ADDRESS pending",
        ),
    }
)
_RAW = Suggestion("0x…", "a raw transaction goes after send", "seqsend send RAWTX")


def suggest_command(word: str, examples: Mapping[str, str]) -> Suggestion:
    """Return what ``word``, in place of a command, may have meant.

    Args:
        word: what was typed; it can be a secret, and ``shown`` says how to quote it.
        examples: the command line to show for each command.

    """
    found = _read_shape(word)
    if found is not None:
        return found
    line = next((line for line, names in _LINES.items() if word.lower() in names), None)
    if line is not None:
        return Suggestion(None, f"did you mean {line}?", line)
    from difflib import get_close_matches  # only after a mistake

    same_meaning = [name for name, others in _COMMANDS.items() if word in others]
    meant = same_meaning or get_close_matches(word.lower(), examples, n=1)
    if meant:
        return Suggestion(None, f"did you mean {meant[0]}?", examples[meant[0]])
    return Suggestion(None, "", None)


def _read_shape(word: str) -> Suggestion | None:
    """Return what ``word`` is if it looks like a value; None otherwise."""
    if _HEX.fullmatch(word):
        return _HEX_OF_LENGTH.get(len(re.sub("^0[xX]", "", word)), _RAW)
    if _METHOD.fullmatch(word):
        return Suggestion(word, "to call a method, use rpc", f"seqsend rpc {word}")
    if _ADDRESS.fullmatch(word):
        said = "an address goes after check or --rollup.sequencer-http"
        return Suggestion(None, said, "seqsend check URL")
    if _INPUT_FILE.fullmatch(word):
        return Suggestion(None, "a file goes after send --file", "seqsend send --file PATH")
    return None
