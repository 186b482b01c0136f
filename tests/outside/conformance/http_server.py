"""An app on Python's `http.server` for tests/stories/conformance.

Usage: http_server.py PORT; it ends with its input.
"""

import hashlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_REQUESTS_PER_CONNECTION = 7


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    requests = 0

    def log_message(self, *_):
        pass

    def head(self, status, *fields, reason=None):
        self.requests += 1
        self.send_response(status, reason)
        for name, value in fields:
            self.send_header(name, value)
        if self.requests >= MAX_REQUESTS_PER_CONNECTION:
            self.send_header("Connection", "close")
        self.end_headers()

    def whole(self, body, status=200, *fields, reason=None):
        self.head(status, *fields, ("Content-Length", str(len(body))), reason=reason)
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def chunks(self, *parts, trailers=(), fields=()):
        self.head(200, *fields, ("Transfer-Encoding", "chunked"))
        if self.command == "HEAD":
            return
        for part in parts:
            self.chunk(part)
            time.sleep(0.02)
        self.wfile.write(b"0\r\n" + b"".join(b"%s: %s\r\n" % it for it in trailers) + b"\r\n")

    def big(self, kib):
        self.whole(b"", 200, *((f"X-Big-{at}", "b" * 1000) for at in range(kib)))

    def body(self):
        if self.headers["Content-Length"] is not None:
            left = int(self.headers["Content-Length"])
            while left > 0:
                part = self.rfile.read(min(left, 65536))
                if not part:
                    raise EOFError
                left -= len(part)
                yield part
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def upload(self):
        digest, count = hashlib.sha256(), 0
        for part in self.body():
            digest.update(part)
            count += len(part)
        framing = "length" if self.headers["Content-Length"] is not None else "chunked"
        self.whole(f"{self.command} {framing} {count} {digest.hexdigest()}\n".encode())

    def until_close(self):
        self.close_connection = True
        self.head(200, ("Content-Type", "text/plain"), ("Connection", "close"))
        self.wfile.write(b"until close")

    def early(self):
        self.close_connection = True
        self.whole(b"too much", 413, ("Connection", "close"))

    def early_hints(self):
        self.send_response_only(103)
        self.send_header("Link", "</style.css>; rel=preload; as=style")
        self.end_headers()
        self.wfile.flush()
        self.whole(b"hints")

    def upgrade(self):
        self.send_response_only(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while data := self.rfile.read1():
            self.wfile.write(data)
            self.wfile.flush()

    def do_GET(self):
        {
            "length": lambda: self.whole(b"length"),
            "empty": lambda: self.whole(b""),
            "chunked": lambda: self.chunks(b"first,", b"x" * 100_000),
            "trailers": lambda: self.chunks(
                b"with trailers",
                fields=[("Trailer", "X-Checksum, X-Two")],
                trailers=[(b"X-Checksum", b"abc"), (b"X-Two", b"2")],
            ),
            "early-hints": self.early_hints,
            "no-content": lambda: self.head(204, ("X-Kept", "1")),
            "not-modified": lambda: self.head(304, ("ETag", '"tag"')),
            "reason": lambda: self.whole(b"", 299, reason="Mostly Fine"),
            "repeated": lambda: self.whole(
                b"",
                200,
                ("Set-Cookie", "one=1; Path=/"),
                ("Set-Cookie", "two=2; HttpOnly"),
                ("Link", "</a>; rel=prev"),
                ("Link", "</b>; rel=next"),
            ),
            "headers-8": lambda: self.big(8),
            "headers-32": lambda: self.big(32),
            "headers-100": lambda: self.big(100),
            "until-close": self.until_close,
            "early": self.early,
            "upload": self.upload,
            "upgrade": self.upgrade,
        }[self.path.removeprefix("/public/")]()

    do_HEAD = do_POST = do_PUT = do_GET


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
server.handle_error = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
