"""Durations and sizes as people type them, amounts as they read them. Pure.

Not with a library: one that was tried takes negatives, and another reads ``M`` as minutes.
"""

import re

from seqsend.errors import UsageError

LONGEST = 7 * 24 * 3600.0
"""Seconds; more than anybody needs, and below the 24.8 days at which a socket's timer overflows."""

_NUMBER = r"([0-9]+(?:\.[0-9]+)?) ?"
# Compiled on use.
_DURATION = rf"(?:{_NUMBER}h ?)?(?:{_NUMBER}(?:min|m(?!s)) ?)?(?:{_NUMBER}s ?)?(?:{_NUMBER}ms)?"
_SECONDS = (3600.0, 60.0, 1.0, 0.001)

_SIZE = rf"{_NUMBER}(B|kB|KB|MB|GB|KiB|MiB|GiB)?"
_BYTES = {
    None: 1,
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def parse_duration(text: str) -> float:
    """Return the seconds that ``text`` means: ``500ms``, ``5s``, ``1m30s``, ``2 min``, ``1h``.

    Raises:
        UsageError: ``text`` is empty, zero, negative or more than 7 days; it has no unit, an
            unknown one, or units not from large to small; or its digits are not ASCII.

    """
    seconds = parse_delay(text)
    if seconds <= 0:
        raise UsageError(f"{text!r} is zero: a time must be longer", example="500ms, 5s")
    return seconds


def parse_delay(text: str) -> float:
    """Return the seconds that ``text`` means, as `parse_duration` does; zero is allowed.

    Raises:
        UsageError: as for `parse_duration`, except for zero.

    """
    match = re.fullmatch(_DURATION, text.strip(" "))
    if match is None or not any(match.groups()):
        problem = "has no unit" if re.fullmatch(_NUMBER, text.strip(" ")) else "is not a duration"
        raise UsageError(f"{text!r} {problem}", example="500ms, 5s, 1m30s, 1h")
    seconds = sum(float(n) * unit for n, unit in zip(match.groups(), _SECONDS, strict=True) if n)
    if seconds > LONGEST:
        raise UsageError(f"{text!r} is longer than 7 days", example="5s, 1m30s, 1h")
    return seconds


def format_duration(seconds: float) -> str:
    """Return ``seconds`` as a person would type it: ``500ms``, ``2.5s``, ``1m30s``."""
    if seconds < 1:
        return f"{seconds * 1000:.4g}ms"
    if seconds < 60:
        return f"{seconds:.4g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def parse_retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3).

    It is a number of seconds, or a date; ``now`` is in seconds since 1970. None for anything else.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    from email.utils import mktime_tz, parsedate_tz  # for a date only: few servers send one

    try:
        moment = parsedate_tz(text)
        return None if moment is None else max(0.0, mktime_tz(moment) - now)
    except (ValueError, OverflowError, TypeError):
        return None


def parse_whole(text: str) -> int:
    """Return the whole number in ``text``: decimal, or hexadecimal with ``0x``.

    Raises:
        UsageError: it is not a whole number, or is negative.

    """
    digits = text.strip(" ")
    if re.fullmatch(r"[0-9]{1,30}", digits):
        return int(digits)
    if re.fullmatch(r"0x[0-9a-fA-F]{1,30}", digits):
        return int(digits, 16)
    why = "is negative" if re.fullmatch(r"-[0-9]+", digits) else "is not a whole number"
    raise UsageError(f"{text!r} {why}", example="10, 0x2105")


def parse_count(text: str) -> int:
    """Return the whole number in ``text``, which is at least 1.

    Raises:
        UsageError: it is not a whole number, or is below 1.

    """
    number = parse_whole(text)
    if number < 1:
        raise UsageError(f"{text!r} is below 1", example="10")
    return number


def format_age(seconds: float) -> str:
    """Return an age in seconds as a person says it: ``3 s``, ``5 min``, ``2 h``, ``4 days``."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` means: ``32MiB``, ``500kB``, ``65536``.

    Raises:
        UsageError: ``text`` is empty, zero, negative or too large, has an unknown unit, or its
            digits are not ASCII.

    """
    match = re.fullmatch(_SIZE, text.strip(" "))
    if match is None:
        raise UsageError(f"{text!r} is not a size", example="32MiB, 500kB, 65536")
    number = float(match.group(1)) * _BYTES[match.group(2)]
    if not 1 <= number < 2**63:
        raise UsageError(f"{text!r} is out of range", example="32MiB, 500kB, 65536")
    return int(number)


def format_size(size: int) -> str:
    """Return ``size`` bytes as a person would type it: ``32MiB``, ``1.5KiB``, ``100B``."""
    for unit in ("GiB", "MiB", "KiB"):
        if size >= _BYTES[unit]:
            return f"{size / _BYTES[unit]:.4g}{unit}"
    return f"{size}B"


def format_ether(wei: int) -> str:
    """Return an amount of wei in ether, exactly: ``1.5 ether``."""
    return f"{_in_unit(wei, 'ether')} ether"


def format_gwei(wei: int) -> str:
    """Return a price of gas in gwei, exactly: ``2.1 gwei``."""
    return f"{_in_unit(wei, 'gwei')} gwei"


def _in_unit(wei: int, unit: str) -> str:
    from decimal import Decimal

    # It loads pydantic, and no call that succeeds needs it.
    from eth_utils.currency import MAX_WEI, from_wei

    # A sum can be more than eth_utils takes, and more than all chains have.
    most = ">" if wei > MAX_WEI else ""
    return f"{most}{Decimal(from_wei(min(wei, MAX_WEI), unit)):f}"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 block``, ``2 blocks``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
