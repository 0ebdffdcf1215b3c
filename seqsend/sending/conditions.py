"""The conditions of a conditional transaction, as the user gives them. Pure.

The form is that of EIP-7796 (`eth_sendRawTransactionConditional`).
"""

import re
from typing import Any

from seqsend.errors import UsageError
from seqsend.jsonrpc import parse_json
from seqsend.redaction import redact_value

_GOOD = '\'{"blockNumberMax":"0x64","knownAccounts":{"0x…":"0x…"}}\''
_QUANTITIES = ("blockNumberMin", "blockNumberMax", "timestampMin", "timestampMax")
_ACCOUNTS = "knownAccounts"
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
_WORD = re.compile("0x[0-9a-fA-F]{64}")
_QUANTITY = re.compile("0x(0|[1-9a-fA-F][0-9a-fA-F]{0,15})")


def parse_conditions(text: str) -> dict[str, Any]:
    """Return the conditions in a JSON text, with numbers as hex quantities, which nodes require.

    Raises:
        UsageError: it is not JSON, a condition is unknown, a value has the wrong form, or a minimum
        is above its maximum.

    """
    try:
        given = parse_json(text)
    except (ValueError, RecursionError):
        raise UsageError("it is not JSON", example=_GOOD) from None
    if not isinstance(given, dict) or not given:
        raise UsageError("it is not an object with conditions", example=_GOOD)
    unknown = sorted(set(given) - {*_QUANTITIES, _ACCOUNTS})
    if unknown:
        raise UsageError(f"unknown condition {redact_value(unknown[0])!r}", example=_GOOD)
    found: dict[str, Any] = {n: _quantity(n, given[n]) for n in _QUANTITIES if n in given}
    for least, most in (_QUANTITIES[:2], _QUANTITIES[2:]):
        if least in found and most in found and int(found[least], 16) > int(found[most], 16):
            raise UsageError(f"{least} is above {most}", example=_GOOD)
    if _ACCOUNTS in given:
        _check_accounts(given[_ACCOUNTS])
        found[_ACCOUNTS] = given[_ACCOUNTS]
    return found


def _quantity(name: str, value: Any) -> str:
    if type(value) is int and 0 <= value < 2**64:
        return hex(value)
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        return value
    raise UsageError(f'{name} is not a number like 100 or "0x64"', example=_GOOD)


def _check_accounts(value: Any) -> None:
    """Check that each account has a storage root, or the values of storage slots."""
    if not isinstance(value, dict):
        raise UsageError(f"{_ACCOUNTS} is not an object", example=_GOOD)
    for address, state in value.items():
        slots = state.items() if isinstance(state, dict) else [(state, state)]
        if not _ADDRESS.fullmatch(address):
            raise UsageError(f"{_ACCOUNTS} has a key that is not an address", example=_GOOD)
        if not all(isinstance(w, str) and _WORD.fullmatch(w) for slot in slots for w in slot):
            raise UsageError(
                f"{_ACCOUNTS} of {address} is neither a storage root nor slots", example=_GOOD
            )
