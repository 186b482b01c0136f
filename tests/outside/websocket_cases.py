"""Speaks WebSocket through Entrada with an unmodified `websockets`, to a server of the same.

The cases are those of the Autobahn suite that concern what lies between client and server; the suite itself needs Python 2.

Usage: websocket_cases.py serve                             prints its port, then serves until its input ends
       websocket_cases.py case NAME ADDRESS ORIGIN COOKIE   runs that case
"""

import asyncio
import contextlib
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve as serving
from websockets.exceptions import ConnectionClosed

PATIENCE = 30
MAX_MESSAGE_BYTES = 20 << 20
SOCKETS_AT_ONCE = 500
# Around the borders of the three lengths of a frame (RFC 6455 section 5.2), and far above any buffer.
SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20, 16 << 20]


async def echo(socket):
    path = socket.request.path
    if path.startswith("/closes/"):
        await socket.close(int(path.removeprefix("/closes/")), "a reason: Zoë")
        return
    if path == "/pings":
        await (await socket.ping(b"from the server"))
        await socket.send("ponged")
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            await socket.send(["one,", "two,", "", "Zoë"] if message == "fragments" else message)


def newest(connection, offered):
    return next((it for it in ["story.v2", "story.v1"] if it in offered), None)


async def serve():
    async with serving(
        echo, "127.0.0.1", 0, select_subprotocol=newest, max_size=MAX_MESSAGE_BYTES, ping_interval=None
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Cases:
    def __init__(self, address, origin, cookie):
        self.address, self.origin, self.cookie = address, origin, cookie

    def open(self, path="/", **more):
        usual = {"compression": None, "max_size": MAX_MESSAGE_BYTES, "ping_interval": None, "proxy": None}
        headers = {"Cookie": self.cookie}
        address = f"{self.address}{path}"
        return connect(address, origin=self.origin, additional_headers=headers, **{**usual, **more})

    async def echoes(self, socket, message):
        await socket.send(message)
        assert await asyncio.wait_for(socket.recv(), PATIENCE) == message

    async def sizes(self, compression=None):
        async with self.open(compression=compression) as socket:
            for size in SIZES:
                await self.echoes(socket, bytes(at * 31 % 251 for at in range(min(size, 65_536))) * max(1, size >> 16))
                await self.echoes(socket, "Zoë 王 " * (size // 9))

    async def compressed(self):
        async with self.open(compression="deflate") as socket:
            agreed = socket.response.headers["Sec-WebSocket-Extensions"]
            assert agreed.startswith("permessage-deflate"), agreed
        await self.sizes(compression="deflate")

    async def fragments(self):
        async with self.open() as socket:
            for parts in [["one"], ["one", "two", ""], [""] * 10, ["Zoë", " 王"] * 100, [b"x" * 70_000] * 20]:
                await socket.send(parts)
                whole = parts[0][:0].join(parts)
                assert await asyncio.wait_for(socket.recv(), PATIENCE) == whole
            # A ping between the fragments of a message.
            async def slowly():
                for part in ["a", "b", "c"]:
                    yield part
                    await asyncio.sleep(0.1)

            sending = asyncio.create_task(socket.send(slowly()))
            await asyncio.sleep(0.05)
            await asyncio.wait_for(await socket.ping(b"between"), PATIENCE)
            await sending
            assert await asyncio.wait_for(socket.recv(), PATIENCE) == "abc"
            await socket.send("fragments")
            got = [part async for part in socket.recv_streaming()]
            assert len(got) >= 4 and "".join(got) == "one,two,Zoë", got

    async def pings(self):
        async with self.open("/pings") as socket:
            assert await asyncio.wait_for(socket.recv(), PATIENCE) == "ponged"
            for data in [b"", b"x", b"\x00\xff" * 62]:
                await asyncio.wait_for(await socket.ping(data), PATIENCE)
            await socket.pong(b"nobody asked")
            await self.echoes(socket, "still open")

    async def closes(self):
        for code in [1000, 1001, 1003, 1008, 1011, 1013, 3000, 4999]:
            async with self.open(f"/closes/{code}") as socket:
                try:
                    await asyncio.wait_for(socket.recv(), PATIENCE)
                    raise AssertionError("it was not closed")
                except ConnectionClosed as closed:
                    assert (closed.rcvd.code, closed.rcvd.reason) == (code, "a reason: Zoë"), closed
            async with self.open() as socket:
                await socket.close(code, "from the client")
                assert socket.close_code == code, socket.close_code

    async def subprotocols(self):
        for offered, agreed in [(["story.v1"], "story.v1"), (["x", "story.v1", "story.v2"], "story.v2"), (None, None)]:
            async with self.open(subprotocols=offered) as socket:
                assert socket.subprotocol == agreed, socket.subprotocol
                await self.echoes(socket, "in that protocol")

    async def crowd(self):
        """Opens many at once; all stay open while each is used."""
        sockets = await asyncio.gather(*[self.open(open_timeout=PATIENCE) for _ in range(SOCKETS_AT_ONCE)])
        for _ in range(3):
            await asyncio.gather(*[self.echoes(socket, f"{at}") for at, socket in enumerate(sockets)])
        await asyncio.gather(*[socket.close() for socket in sockets])


if sys.argv[1] == "serve":
    asyncio.run(serve())
else:
    name, *rest = sys.argv[2:]
    asyncio.run(getattr(Cases(*rest), name)())
    print(f"{name}: as it should be")
