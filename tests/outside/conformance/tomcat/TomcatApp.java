import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpUpgradeHandler;
import jakarta.servlet.http.WebConnection;
import java.io.IOException;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

/** An app on Tomcat for tests/stories/conformance. Usage: TomcatApp PORT; it ends with its input. */
public final class TomcatApp extends HttpServlet {
    private static final String MAX_REQUESTS_PER_CONNECTION = "7";

    /** Sends back what it reads. */
    public static final class Echo implements HttpUpgradeHandler {
        @Override
        public void init(WebConnection connection) {
            try (connection) {
                var input = connection.getInputStream();
                var output = connection.getOutputStream();
                var buffer = new byte[4096];
                for (int count; (count = input.read(buffer)) > 0; ) {
                    output.write(buffer, 0, count);
                    output.flush();
                }
            } catch (Exception closed) {
                // The client left.
            }
        }

        @Override
        public void destroy() {}
    }

    private static void whole(HttpServletResponse response, int status, String body) throws IOException {
        response.setStatus(status);
        response.setContentLength(body.length());
        response.getOutputStream().print(body);
    }

    private static void chunks(HttpServletResponse response, String... parts) throws IOException {
        for (var part : parts) {
            response.getOutputStream().print(part);
            response.flushBuffer();
        }
    }

    private static void upload(HttpServletRequest request, HttpServletResponse response) throws IOException {
        try {
            var digest = MessageDigest.getInstance("SHA-256");
            var buffer = new byte[65536];
            long bytes = 0;
            for (int count; (count = request.getInputStream().read(buffer)) >= 0; bytes += count) {
                digest.update(buffer, 0, count);
            }
            var framing = request.getHeader("Content-Length") == null ? "chunked" : "length";
            var sum = HexFormat.of().formatHex(digest.digest());
            whole(response, 200, "%s %s %d %s\n".formatted(request.getMethod(), framing, bytes, sum));
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static void big(HttpServletResponse response, int kib) throws IOException {
        for (int at = 0; at < kib; at++) {
            response.setHeader("X-Big-" + at, "b".repeat(1000));
        }
        whole(response, 200, "");
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        switch (request.getRequestURI().substring("/public/".length())) {
            case "length" -> whole(response, 200, "length");
            case "empty" -> whole(response, 200, "");
            case "chunked" -> chunks(response, "first,", "x".repeat(100_000));
            case "trailers" -> {
                response.setHeader("Trailer", "X-Checksum, X-Two");
                response.setTrailerFields(() -> Map.of("X-Checksum", "abc", "X-Two", "2"));
                chunks(response, "with trailers");
            }
            case "no-content" -> {
                response.setHeader("X-Kept", "1");
                response.setStatus(204);
            }
            case "not-modified" -> {
                response.setHeader("ETag", "\"tag\"");
                response.setStatus(304);
            }
            case "reason" -> whole(response, 299, "");
            case "repeated" -> {
                response.addHeader("Set-Cookie", "one=1; Path=/");
                response.addHeader("Set-Cookie", "two=2; HttpOnly");
                response.addHeader("Link", "</a>; rel=prev");
                response.addHeader("Link", "</b>; rel=next");
                whole(response, 200, "");
            }
            case "headers-8" -> big(response, 8);
            case "headers-32" -> big(response, 32);
            case "headers-100" -> big(response, 100);
            case "early" -> {
                response.setHeader("Connection", "close");
                whole(response, 413, "too much");
            }
            case "upload" -> upload(request, response);
            case "upgrade" -> {
                response.setHeader("Upgrade", "echo");
                response.setHeader("Connection", "Upgrade");
                try {
                    request.upgrade(Echo.class);
                } catch (jakarta.servlet.ServletException failed) {
                    throw new IOException(failed);
                }
            }
            default -> whole(response, 404, "");
        }
    }

    public static void main(String[] arguments) throws Exception {
        var tomcat = new Tomcat();
        tomcat.setBaseDir(Files.createTempDirectory("tomcat").toString());
        var connector = new Connector("HTTP/1.1");
        connector.setPort(Integer.parseInt(arguments[0]));
        connector.setProperty("address", "127.0.0.1");
        connector.setProperty("maxKeepAliveRequests", MAX_REQUESTS_PER_CONNECTION);
        connector.setProperty("maxHttpResponseHeaderSize", "200000");
        tomcat.setConnector(connector);
        var context = tomcat.addContext("", null);
        Tomcat.addServlet(context, "app", new TomcatApp());
        context.addServletMappingDecoded("/*", "app");
        tomcat.start();
        while (System.in.read() >= 0) {}
        System.exit(0);
    }
}
