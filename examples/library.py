"""Submits transactions from Python, and tells of each what is known to be true.

python examples/library.py http://seq1:8545,http://seq2:8545 0x02f8… [0x02f8…]...
"""

import logging
import sys

from seqsend import (
    CallEnded,
    DeliveryUnknown,
    Event,
    Rejected,
    SequencerClient,
    Unreachable,
    UsageError,
)

log = logging.getLogger("submitter")


def watch(event: Event) -> None:
    """Is told of every attempt and call as it ends: here goes what counts or traces them."""
    if isinstance(event, CallEnded) and event.failed_over:
        log.warning("%s failed over to %s", event.method, event.endpoint)


def submit(client: SequencerClient, raw: str) -> str:
    """Submit one transaction; return what to write down of it."""
    try:
        sent = client.send_raw_transaction(raw)
    except UsageError as error:
        return f"no transaction: {error}"
    except Rejected as error:
        return f"rejected: {error.message} (code {error.code})"
    except Unreachable:
        return "not delivered: try again later"
    except DeliveryUnknown as error:
        # The sequencer may have it. The same bytes can be sent again: executed twice it is never.
        return f"perhaps delivered: {error.hash}"
    return f"{sent.status} by endpoint {sent.endpoint.index}: {sent.hash}"


def main(urls: str, *raws: str) -> None:
    """Submit each of ``raws`` to the first of ``urls`` that takes it."""
    logging.basicConfig(format="%(levelname)s %(message)s")
    with SequencerClient(urls, dial_timeout=2, request_timeout=5, observer=watch) as client:
        for raw in raws:
            print(submit(client, raw))


if __name__ == "__main__":
    main(*sys.argv[1:])
