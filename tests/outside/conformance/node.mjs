// An app on Node's `http` for tests/stories/conformance. Usage: node.mjs PORT; it ends with its input.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const big = (kib) => Object.fromEntries(Array.from({ length: kib }, (_, at) => [`x-big-${at}`, "b".repeat(1000)]));

const answers = {
  "/public/length": (request, response) => response.writeHead(200, { "content-length": 6 }).end("length"),
  "/public/empty": (request, response) => response.writeHead(200, { "content-length": 0 }).end(),
  "/public/chunked": (request, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("first,");
    setTimeout(() => response.end("x".repeat(100_000)), 50);
  },
  "/public/trailers": (request, response) => {
    response.writeHead(200, { trailer: "X-Checksum, X-Two" });
    response.write("with trailers");
    response.addTrailers({ "X-Checksum": "abc", "X-Two": "2" });
    response.end();
  },
  "/public/early-hints": (request, response) => {
    response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    response.writeHead(200, { "content-length": 5 }).end("hints");
  },
  "/public/no-content": (request, response) => response.writeHead(204, { "x-kept": "1" }).end(),
  "/public/not-modified": (request, response) => response.writeHead(304, { etag: '"tag"' }).end(),
  "/public/reason": (request, response) => response.writeHead(299, "Mostly Fine", { "content-length": 0 }).end(),
  "/public/repeated": (request, response) =>
    response
      .writeHead(200, [
        ...["set-cookie", "one=1; Path=/", "set-cookie", "two=2; HttpOnly"],
        ...["link", "</a>; rel=prev", "link", "</b>; rel=next", "content-length", "0"],
      ])
      .end(),
  "/public/headers-8": (request, response) => response.writeHead(200, { ...big(8), "content-length": 0 }).end(),
  "/public/headers-32": (request, response) => response.writeHead(200, { ...big(32), "content-length": 0 }).end(),
  "/public/headers-100": (request, response) => response.writeHead(200, { ...big(100), "content-length": 0 }).end(),
  "/public/until-close": (request, response) => {
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    response.removeHeader("transfer-encoding");
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("until ");
    response.end("close");
  },
  "/public/early": (request, response) => response.writeHead(413, { "content-length": 8, connection: "close" }).end("too much"),
  "/public/upload": async (request, response) => {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const part of request) {
      hash.update(part);
      bytes += part.length;
    }
    const framing = request.headers["content-length"] === undefined ? "chunked" : "length";
    const body = `${request.method} ${framing} ${bytes} ${hash.digest("hex")}\n`;
    response.writeHead(200, { "content-length": body.length }).end(body);
  },
};

const server = createServer((request, response) => {
  const answer = answers[request.url];
  if (answer) answer(request, response);
  else response.writeHead(404).end();
});
server.maxRequestsPerSocket = 7;
server.on("upgrade", (request, socket) => {
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  socket.on("error", () => {});
  socket.pipe(socket);
});
server.listen(Number(process.argv[2]), "127.0.0.1");
process.stdin.on("end", () => process.exit(0)).resume();
