"""The calls in a request, single or batch, and the response to all of them."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.servers import Request, http


def calls_in(request: Request) -> list[dict[str, Any]]:
    """Return the calls of ``request``: several if it is a batch."""
    found: list[dict[str, Any]] = request.json if isinstance(request.json, list) else [request.json]
    return found


def respond(request: Request, members: Sequence[dict[str, Any]]) -> bytes:
    """Return the response to ``request``, with the result or error of each of its calls."""
    found = [
        {"jsonrpc": "2.0", "id": call["id"], **each}
        for call, each in zip(calls_in(request), members, strict=True)
    ]
    return http(200, json.dumps(found if isinstance(request.json, list) else found[0]).encode())


def answering(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Request], bytes]:
    """Return a reply function in which ``answer`` gives each call its result or error."""
    return lambda request: respond(request, [answer(call) for call in calls_in(request)])
