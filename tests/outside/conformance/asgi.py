"""An ASGI app for tests/stories/conformance, under uvicorn and under hypercorn.

Usage: asgi.py uvicorn|hypercorn|hypercorn-h2 PORT
"""

import asyncio
import hashlib
import sys


async def answer(send, status, *fields, body=b"", **more):
    names = [name for name, _ in fields]
    if b"content-length" not in names and status not in (204, 304) and not more.get("chunked"):
        fields += ((b"content-length", str(len(body)).encode()),)
    start = {"type": "http.response.start", "status": status, "headers": list(fields)}
    if "trailers" in more:
        start["trailers"] = True
    await send(start)
    for part in more.get("chunked", []):
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body", "body": body})
    if "trailers" in more:
        await send({"type": "http.response.trailers", "headers": more["trailers"]})


async def upload(scope, receive, send):
    digest, count, more = hashlib.sha256(), 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        digest.update(event.get("body", b""))
        count += len(event.get("body", b""))
        more = event.get("more_body", False)
    framing = "length" if any(name == b"content-length" for name, _ in scope["headers"]) else "chunked"
    await answer(send, 200, body=f"{scope['method']} {framing} {count} {digest.hexdigest()}\n".encode())


async def early_hints(send):
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload; as=style"]})
    await answer(send, 200, body=b"hints")


def big(kib):
    return [(f"x-big-{at}".encode(), b"b" * 1000) for at in range(kib)]


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": event.get("bytes"), "text": event.get("text")})


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        return await echo(receive, send)
    if scope["type"] != "http":
        raise NotImplementedError
    match scope["path"].removeprefix("/public/"):
        case "length":
            await answer(send, 200, body=b"length")
        case "empty":
            await answer(send, 200)
        case "chunked":
            await answer(send, 200, chunked=[b"first,", b"x" * 100_000])
        case "trailers":
            trailers = [(b"x-checksum", b"abc"), (b"x-two", b"2")]
            announced = (b"trailer", b"X-Checksum, X-Two")
            await answer(send, 200, announced, chunked=[b"with trailers"], trailers=trailers)
        case "early-hints":
            await early_hints(send)
        case "no-content":
            await answer(send, 204, (b"x-kept", b"1"))
        case "not-modified":
            await answer(send, 304, (b"etag", b'"tag"'))
        case "repeated":
            cookies = [(b"set-cookie", b"one=1; Path=/"), (b"set-cookie", b"two=2; HttpOnly")]
            await answer(send, 200, *cookies, (b"link", b"</a>; rel=prev"), (b"link", b"</b>; rel=next"))
        case "headers-8":
            await answer(send, 200, *big(8))
        case "headers-32":
            await answer(send, 200, *big(32))
        case "headers-100":
            await answer(send, 200, *big(100))
        case "early":
            # HTTP/2 has no such field.
            fields = [(b"connection", b"close")] if scope["http_version"] == "1.1" else []
            await answer(send, 413, *fields, body=b"too much")
        case "upload":
            await upload(scope, receive, send)
        case _:
            await answer(send, 404)


def run(server, port):
    if server == "uvicorn":
        import uvicorn

        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
        return
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    # Over HTTP/2, it drops the request after the last, although its GOAWAY counts it as processed.
    if server == "hypercorn":
        config.keep_alive_max_requests = 7
    asyncio.run(serve(app, config))


run(sys.argv[1], int(sys.argv[2]))
