"""A proxy that makes a port of this machine look like a distant host.

    far_away.py PORT MILLISECONDS

Prints its own port. Connecting takes a round trip, and each direction takes half of one.
"""

import asyncio
import sys
import time

_CHUNK = 65536  # bytes
upstream, round_trip = int(sys.argv[1]), int(sys.argv[2]) / 1000


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on each piece in order, half a round trip later."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(due - time.monotonic())
            if not piece:
                writer.close()
                return
            writer.write(piece)

    delivering = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(_CHUNK):
            under_way.put_nowait((time.monotonic() + round_trip / 2, piece))
    except ConnectionError:
        pass
    under_way.put_nowait((time.monotonic() + round_trip / 2, b""))
    await delivering


async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(round_trip)
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", upstream)
    await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer))


async def main() -> None:
    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
