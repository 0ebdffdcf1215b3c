"""What somebody may have meant who typed an option that does not exist."""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

# What other programs call it → what it is called here. Of curl, cast, op-geth and the like.
_MEANT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--rollup.sequencer-http": (
            *("--rpc-url", "--rpc", "--url", "--urls", "--endpoint", "--endpoints", "--node"),
            *("--sequencer", "--sequencer-url", "--sequencer-http", "--provider", "--eth-rpc-url"),
        ),
        "--rollup.sequencer-headers": ("--header", "--headers", "--rpc-headers", "-H"),
        "--sequencer-request-timeout": (
            *("--timeout", "--request-timeout", "--rpc-timeout", "--max-time"),
        ),
        "--sequencer-dial-timeout": ("--dial-timeout", "--connect-timeout"),
        "--cacert": ("--ca", "--ca-cert", "--ca-file", "--cafile", "--ca-bundle"),
        "--client-cert": ("--cert", "--certificate"),
        "--client-key": ("--key",),
        "--strict-errors": ("--strict",),
        "--file": ("--input", "--input-file", "--from-file", "-f"),
        "--batch-size": ("--batch",),
        "--retry-for": ("--retries", "--retry", "--max-retries"),
        "--sync": ("--synchronous",),
        "--wait": ("--receipt", "--confirm", "--confirmations"),
        "--chain-id": ("--chain", "--network-id"),
        "--watch": ("--interval", "--follow"),
        "--count": ("--repeat", "-n", "-c"),
        "--dry-run": ("--simulate", "--no-send", "--noop"),
        "--quiet": ("--silent", "-s"),
    }
)
_LIKE = 0.75  # of difflib; below, what it finds has little in common with what was typed


def suggest_options(name: str, known: Collection[str]) -> list[str]:
    """Return those of the ``known`` options that ``name`` may stand for, the best first."""
    same_meaning = [meant for meant, others in _MEANT.items() if name in others and meant in known]
    if same_meaning:
        return same_meaning
    if re.match("-[^-]", name):
        longer = f"-{name}"
        return [longer] if longer in known else suggest_options(longer, known)
    from difflib import get_close_matches  # only after a mistake

    return get_close_matches(name, known, n=2, cutoff=_LIKE)


def find_single_dash(arguments: Sequence[str], known: Collection[str]) -> str | None:
    """Return the first of ``arguments`` that is a long option with one dash, such as ``-wait``.

    It is read as several short ones, and only one letter of it stands in the error.
    """
    for argument in arguments:
        name = argument.partition("=")[0]
        if re.fullmatch("-[a-z][a-z.-]+", name) and suggest_options(name, known):
            return name
    return None
