"""Both ends of WebSockets, to see whether what is between them shows.

    peers.py serve                          prints its port, serves until its input ends
    peers.py talk URL MEBIBYTES [AUTHORITY] says everything that can be said, prints what came of it as JSON; to a server
                                            for which the certificates of AUTHORITY vouch
"""

import asyncio
import hashlib
import json
import ssl
import sys

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

MIB = 1 << 20
LIMIT = 4 * MIB


def bulk(count):
    """Mebibytes that differ from each other."""
    for number in range(count):
        seed = hashlib.sha256(str(number).encode()).digest()
        yield seed * (MIB // len(seed))


async def answer(socket):
    kind = socket.request.path.rpartition("/")[2]
    if kind == "echo":
        async for message in socket:
            await socket.send(message)
    elif kind == "fragments":
        parts = []
        async for part in socket.recv_streaming():
            parts.append(part)
        await socket.send(parts)
    elif kind == "ping":
        waiter = await socket.ping(b"from the server")
        await waiter
        await socket.send("ponged")
    elif kind.startswith("close"):
        await socket.close(int(kind[5:]), "r\u00e4son")
    elif kind == "drop":
        socket.transport.abort()
    elif kind == "bulk":
        digest, size = hashlib.sha256(), 0
        count = int(await socket.recv())
        while size < count * MIB:
            message = await socket.recv()
            digest.update(message)
            size += len(message)
        await socket.send(digest.hexdigest())
        for piece in bulk(count):
            await socket.send(piece)


async def serving():
    options = {"max_size": LIMIT, "ping_interval": None, "subprotocols": ["b.example", "a.example"]}
    async with serve(answer, "127.0.0.1", 0, **options) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def closed(error):
    """How a connection has ended, as its client sees it."""
    frame = error.rcvd
    return [frame.code, frame.reason] if frame else ["no close frame"]


async def talk(base, count, authority):
    told = {}
    trust = {"ssl": ssl.create_default_context(cafile=authority)} if authority else {}

    def to(kind, **more):
        offered = ["a.example"]
        return connect(base + kind, max_size=LIMIT, ping_interval=None, subprotocols=offered, **trust, **more)

    async with to("echo") as socket:
        told["subprotocol"] = socket.subprotocol
        told["extensions"] = [extension.name for extension in socket.protocol.extensions]
        sizes = [0, 1, 125, 126, 65535, 65536, 3 * MIB]
        texts, data = [], []
        for size in sizes:
            await socket.send("\u00e4" * (size // 2))
            texts.append(len(await socket.recv()))
            await socket.send(bytes(size % 251 for _ in range(size)))
            data.append(len(await socket.recv()))
        told["texts"], told["data"] = texts, data
        waiter = await socket.ping(b"from the client")
        await waiter
        told["ping"] = "ponged"
        await socket.pong(b"unasked")
        # All at once: what waits in between has to keep its order.
        for number in range(1000):
            await socket.send(str(number))
        got = [int(await socket.recv()) for _ in range(1000)]
        told["order"] = got == list(range(1000))
    told["our close"] = [socket.close_code, socket.close_reason]
    async with to("fragments", compression=None) as socket:
        await socket.send(["one ", "", "two ", "three"])
        got = [part async for part in socket.recv_streaming()]
        told["fragments"] = got
    async with to("ping") as socket:
        told["server's ping"] = await socket.recv()
    for kind in ["close1000", "close1001", "close1011", "close3000", "close4999", "drop"]:
        async with to(kind) as socket:
            try:
                await socket.recv()
            except websockets.ConnectionClosed as error:
                told[kind] = closed(error)
    async with to("bulk", compression=None) as socket:
        await socket.send(str(count))
        sent, got, size = hashlib.sha256(), hashlib.sha256(), 0
        for piece in bulk(count):
            sent.update(piece)
            await socket.send(piece)
        told["bulk there"] = await socket.recv() == sent.hexdigest()
        while size < count * MIB:
            message = await socket.recv()
            got.update(message)
            size += len(message)
        told["bulk back"] = got.hexdigest() == sent.hexdigest()
    print(json.dumps(told, sort_keys=True))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serving())
    else:
        asyncio.run(talk(sys.argv[2], int(sys.argv[3]), sys.argv[4] if sys.argv[4:] else None))
