"""Speaks gRPC through Entrada with an unmodified `grpcio`, to a server of the same.

Usage: grpc_echo.py serve                             prints its port, then serves until its input ends
       grpc_echo.py ask ADDRESS COOKIE                a person who is signed in, and a stranger
The messages are plain bytes, so that no generated code is needed.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from time import sleep

import grpc

MESSAGES = [b"hello", "Zoë 王".encode(), b"x" * 300_000]


def user(context):
    return next(value for key, value in context.invocation_metadata() if key == "x-forwarded-preferred-username")


def unary(request, context):
    context.send_initial_metadata([("x-heard", user(context))])
    context.set_trailing_metadata([("x-length", str(len(request))), ("x-seen-bin", b"\x00\xff")])
    return request[::-1]


def both(requests, context):
    """Answers each message when it comes, so the client may wait for one answer before it sends the next."""
    count = 0
    for request in requests:
        count += 1
        yield request
    context.set_trailing_metadata([("x-count", str(count))])


def fails(request, context):
    context.set_trailing_metadata([("x-why", "a story")])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: Zoë")


def slow(request, context):
    sleep(2)
    return request


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/story.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/story.Echo/Both": grpc.stream_stream_rpc_method_handler(both),
            "/story.Echo/Slow": grpc.unary_unary_rpc_method_handler(slow),
            "/story.Echo/Fails": grpc.unary_unary_rpc_method_handler(fails),
        }.get(details.method)


def serve():
    # Connections are retired all the time, as load balancers ask for it.
    age = [("grpc.max_connection_age_ms", 200), ("grpc.max_connection_age_grace_ms", 20_000)]
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=age)
    server.add_generic_rpc_handlers([Service()])
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    server.start()
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(0)


def ask(address, cookie):
    channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
    known = [("cookie", cookie)]

    answer, call = channel.unary_unary("/story.Echo/Unary").with_call(b"abc", metadata=known, timeout=20)
    assert answer == b"cba", answer
    assert dict(call.initial_metadata())["x-heard"] == "maya@contoso.example", call.initial_metadata()
    trailing = dict(call.trailing_metadata())
    assert trailing["x-length"] == "3" and trailing["x-seen-bin"] == b"\x00\xff", trailing

    got, arrived = [], Semaphore(0)

    def one_after_the_other():
        for index, message in enumerate(MESSAGES):
            while len(got) < index:
                arrived.acquire()
            yield message

    call = channel.stream_stream("/story.Echo/Both")(one_after_the_other(), metadata=known, timeout=20)
    for message in call:
        got.append(message)
        arrived.release()
    assert got == MESSAGES, [len(it) for it in got]
    assert call.code() is grpc.StatusCode.OK and dict(call.trailing_metadata())["x-count"] == "3", call.trailing_metadata()

    with ThreadPoolExecutor(max_workers=8) as pool:
        call = channel.unary_unary("/story.Echo/Unary")
        answers = pool.map(lambda it: call(b"%d" % it, metadata=known, timeout=20), range(1000))
        assert [int(it[::-1]) for it in answers] == list(range(1000))

    late = code(lambda: channel.unary_unary("/story.Echo/Slow")(b"", metadata=known, timeout=0.5))
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED, late

    refused = code(lambda: channel.unary_unary("/story.Echo/Fails")(b"", metadata=known, timeout=20))
    assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION and refused.details() == "not today: Zoë", refused
    assert dict(refused.trailing_metadata())["x-why"] == "a story", refused.trailing_metadata()

    stranger = code(lambda: channel.unary_unary("/story.Echo/Unary")(b"abc", timeout=20))
    assert stranger.code() is grpc.StatusCode.UNAUTHENTICATED, stranger
    sys.stdout.write("unary, streaming and a refusal with trailers, and a stranger is UNAUTHENTICATED\n")


def code(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it was let in")


if sys.argv[1] == "serve":
    serve()
else:
    ask(*sys.argv[2:])
