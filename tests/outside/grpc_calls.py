"""Makes every kind of gRPC call through Entrada with an unmodified `grpcio`, to a server of the same.

Usage: grpc_calls.py serve [CERTIFICATE KEY]         prints its port, then serves until its input ends
       grpc_calls.py call NAMES ADDRESS COOKIE [CA]  makes the calls of these names (with commas), and checks what comes back
With a certificate, or a file of authorities, over TLS. An address may be followed by = and the host to name.
The messages are plain bytes, so that no generated code is needed.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

# A call that hangs fails with DEADLINE_EXCEEDED.
PATIENCE = 20
MAX_MESSAGE_BYTES = 16 << 20
OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]
# How many calls of Hang have ended at the server.
ended = threading.Semaphore(0)


def unary(request, context):
    metadata = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-story")]
    context.send_initial_metadata([("x-head", "first"), ("x-head", "second"), *metadata])
    context.set_trailing_metadata([("x-length", str(len(request))), ("x-tail-bin", b"\x00\xff")])
    return request[::-1]


def server_stream(request, context):
    count, size = map(int, request.split())
    for at in range(count):
        yield at.to_bytes(4, "big") * (size // 4)
    context.set_trailing_metadata([("x-count", str(count))])


def client_stream(requests, context):
    count = total = 0
    for request in requests:
        count += 1
        total += len(request)
    context.set_trailing_metadata([("x-count", str(count))])
    return str(total).encode()


def both(requests, context):
    for request in requests:
        yield request[::-1]


def early(requests, context):
    return b"after " + next(requests)


def fails(request, context):
    context.set_trailing_metadata([("x-why", "a story")])
    code = next(it for it in grpc.StatusCode if it.name == request.decode())
    context.abort(code, "not today: Zoë 100%")


def fails_midway(request, context):
    yield b"one"
    context.abort(grpc.StatusCode.ABORTED, "midway")


def hang(request, context):
    context.add_callback(ended.release)
    while context.is_active():
        yield str(context.time_remaining()).encode()
        time.sleep(0.2)


def has_ended(request, context):
    return b"yes" if ended.acquire(timeout=float(request)) else b"no"


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/story.Calls/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/story.Calls/ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
            "/story.Calls/ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
            "/story.Calls/Both": grpc.stream_stream_rpc_method_handler(both),
            "/story.Calls/Early": grpc.stream_unary_rpc_method_handler(early),
            "/story.Calls/Fails": grpc.unary_unary_rpc_method_handler(fails),
            "/story.Calls/FailsMidway": grpc.unary_stream_rpc_method_handler(fails_midway),
            "/story.Calls/Hang": grpc.unary_stream_rpc_method_handler(hang),
            "/story.Calls/HasEnded": grpc.unary_unary_rpc_method_handler(has_ended),
        }.get(details.method)


def serve():
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=OPTIONS)
    server.add_generic_rpc_handlers([Service()])
    if len(sys.argv) > 2:
        certificate, key = (open(it, "rb").read() for it in sys.argv[2:])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    sys.stdout.write(f"{port}\n")
    server.start()
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(0)


class Caller:
    def __init__(self, address, cookie, authorities=None):
        address, _, host = address.partition("=")
        options = OPTIONS + ([("grpc.default_authority", host)] if host else [])
        if authorities:
            credentials = grpc.ssl_channel_credentials(open(authorities, "rb").read())
            self.channel = grpc.secure_channel(address, credentials, options=options)
        else:
            self.channel = grpc.insecure_channel(address, options=options)
        self.usual = {"metadata": [("cookie", cookie)], "timeout": PATIENCE}
        self.cookie = ("cookie", cookie)

    def unary(self, name, request, **more):
        return self.channel.unary_unary(f"/story.Calls/{name}")(request, **{**self.usual, **more})

    def reads(self, name, request, **more):
        return self.channel.unary_stream(f"/story.Calls/{name}")(request, **{**self.usual, **more})

    def calls_unary(self):
        method = self.channel.unary_unary("/story.Calls/Unary")
        for size in [0, 1, 16_383, 65_536, 1 << 20, 8 << 20]:
            request = bytes(at * 31 % 251 for at in range(min(size, 4096))) * (size // 4096 + 1)
            request = request[:size]
            sent = [self.cookie, ("x-story", "text"), ("x-story-bin", b"\x01\xfe")]
            answer, call = method.with_call(request, metadata=sent, timeout=PATIENCE)
            assert answer == request[::-1], size
            head = call.initial_metadata()
            assert [it.value for it in head if it.key == "x-head"] == ["first", "second"], head
            assert dict(head)["x-story"] == "text" and dict(head)["x-story-bin"] == b"\x01\xfe", head
            tail = dict(call.trailing_metadata())
            assert tail["x-length"] == str(size) and tail["x-tail-bin"] == b"\x00\xff", tail

    def calls_server_stream(self):
        for count, size in [(0, 4), (1, 4), (2000, 100), (40, 400_000)]:
            call = self.reads("ServerStream", b"%d %d" % (count, size))
            for at, message in enumerate(call):
                assert message == at.to_bytes(4, "big") * (size // 4), at
                if at == 20:
                    # The windows between the server and here are full.
                    time.sleep(0.5)
            assert dict(call.trailing_metadata())["x-count"] == str(count), call.trailing_metadata()

    def calls_client_stream(self):
        method = self.channel.stream_unary("/story.Calls/ClientStream")
        for count, size in [(0, 1), (1, 0), (2000, 100), (40, 400_000)]:
            answer, call = method.with_call(iter([b"x" * size] * count), **self.usual)
            assert int(answer) == count * size, answer
            assert dict(call.trailing_metadata())["x-count"] == str(count), call.trailing_metadata()

    def asks_in_turn(self, pauses, **more):
        """Sends a message only after the answer to the one before, and after a pause."""
        arrived = threading.Semaphore(1)

        def messages():
            for at, pause in enumerate(pauses):
                assert arrived.acquire(timeout=PATIENCE)
                time.sleep(pause)
                yield b"%d" % (at + 10)

        call = self.channel.stream_stream("/story.Calls/Both")(messages(), **{**self.usual, **more})
        got = []
        for message in call:
            got.append(message)
            arrived.release()
        assert got == [(b"%d" % (at + 10))[::-1] for at in range(len(pauses))], got
        assert call.code() is grpc.StatusCode.OK, call

    def calls_bidirectional(self):
        self.asks_in_turn([])
        self.asks_in_turn([0] * 200)

    def calls_quiet(self):
        self.asks_in_turn([0, 3.5, 0])

    def calls_ten_minutes_quiet(self):
        # To the proxy, which has a fast clock; ten seconds here.
        self.asks_in_turn([0, 10, 0])

    def calls_early(self):
        def endless():
            for _ in range(10_000):
                yield b"x" * 1000
                time.sleep(0.001)

        answer = self.channel.stream_unary("/story.Calls/Early")(endless(), **self.usual)
        assert answer == b"after " + b"x" * 1000
        assert self.unary("Unary", b"ab") == b"ba"

    def calls_errors(self):
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            error = refused(lambda: self.unary("Fails", code.name.encode()))
            assert error.code() is code and error.details() == "not today: Zoë 100%", error
            assert dict(error.trailing_metadata())["x-why"] == "a story", error.trailing_metadata()
        call, got = self.reads("FailsMidway", b""), []
        error = refused(lambda: got.extend(iter(call)))
        assert error.code() is grpc.StatusCode.ABORTED and error.details() == "midway", error
        error = refused(lambda: self.unary("Nothing", b""))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error

    def calls_cancel(self):
        call = self.reads("Hang", b"")
        next(call)
        call.cancel()
        assert call.code() is grpc.StatusCode.CANCELLED, call
        assert self.unary("HasEnded", b"10") == b"yes", "the server goes on"
        assert self.unary("Unary", b"ab") == b"ba"

    def calls_deadline(self):
        call, began, got = self.reads("Hang", b"", timeout=1), time.monotonic(), []
        error = refused(lambda: got.extend(iter(call)))
        took = time.monotonic() - began
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
        assert 0.8 < took < 3, took
        # The time that is left is sent rounded up.
        assert 0 < float(got[0]) <= 1.1, f"the server does not know the deadline: {got}"
        assert self.unary("HasEnded", b"10") == b"yes", "the server goes on"

    def calls_many(self):
        with ThreadPoolExecutor(max_workers=32) as pool:
            sizes = [100, 1000, 70_000] * 34
            for size, answer in zip(sizes, pool.map(lambda size: self.unary("Unary", b"x" * size), sizes)):
                assert answer == b"x" * size


def refused(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it succeeded")


if sys.argv[1] == "serve":
    serve()
else:
    names, *caller = sys.argv[2:]
    caller = Caller(*caller)
    for name in names.split(","):
        getattr(caller, f"calls_{name.replace('-', '_')}")()
        sys.stdout.write(f"{name}: as it should be\n")
