// An app on Go's net/http for tests/stories/conformance. Usage: conformance PORT; it speaks HTTP/1.1 and h2c, and ends with its input.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const maxRequestsPerConnection = 7

type counter struct{}

func whole(response http.ResponseWriter, status int, body string) {
	response.Header().Set("Content-Length", fmt.Sprint(len(body)))
	response.WriteHeader(status)
	io.WriteString(response, body)
}

func chunks(response http.ResponseWriter, parts ...string) {
	for _, part := range parts {
		io.WriteString(response, part)
		response.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
}

func upload(response http.ResponseWriter, request *http.Request) {
	digest := sha256.New()
	count, err := io.Copy(digest, request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	framing := "length"
	if request.ContentLength < 0 {
		framing = "chunked"
	}
	whole(response, 200, fmt.Sprintf("%s %s %d %x\n", request.Method, framing, count, digest.Sum(nil)))
}

func upgrade(response http.ResponseWriter) {
	connection, buffered, err := response.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	io.Copy(connection, buffered)
}

func answer(response http.ResponseWriter, request *http.Request) {
	header := response.Header()
	if count, ok := request.Context().Value(counter{}).(*atomic.Int64); ok && request.ProtoMajor == 1 && count.Add(1) >= maxRequestsPerConnection {
		header.Set("Connection", "close")
	}
	path := strings.TrimPrefix(request.URL.Path, "/public/")
	if kib, found := strings.CutPrefix(path, "headers-"); found {
		var count int
		fmt.Sscan(kib, &count)
		for at := range count {
			header.Set(fmt.Sprintf("X-Big-%d", at), strings.Repeat("b", 1000))
		}
		whole(response, 200, "")
		return
	}
	switch path {
	case "length":
		whole(response, 200, "length")
	case "empty":
		whole(response, 200, "")
	case "chunked":
		chunks(response, "first,", strings.Repeat("x", 100_000))
	case "trailers":
		header.Set("Trailer", "X-Checksum, X-Two")
		chunks(response, "with trailers")
		header.Set("X-Checksum", "abc")
		header.Set("X-Two", "2")
	case "early-hints":
		header.Set("Link", "</style.css>; rel=preload; as=style")
		response.WriteHeader(103)
		header.Del("Link")
		whole(response, 200, "hints")
	case "no-content":
		header.Set("X-Kept", "1")
		response.WriteHeader(204)
	case "not-modified":
		header.Set("ETag", `"tag"`)
		response.WriteHeader(304)
	case "repeated":
		header["Set-Cookie"] = []string{"one=1; Path=/", "two=2; HttpOnly"}
		header["Link"] = []string{"</a>; rel=prev", "</b>; rel=next"}
		whole(response, 200, "")
	case "until-close":
		header.Set("Transfer-Encoding", "identity")
		chunks(response, "until ", "close")
	case "early":
		if request.ProtoMajor == 1 {
			header.Set("Connection", "close")
		}
		whole(response, 413, "too much")
	case "upload":
		upload(response, request)
	case "upgrade":
		upgrade(response)
	default:
		http.NotFound(response, request)
	}
}

func main() {
	server := http.Server{
		Addr:      "127.0.0.1:" + os.Args[1],
		Handler:   http.HandlerFunc(answer),
		Protocols: new(http.Protocols),
		ConnContext: func(parent context.Context, _ net.Conn) context.Context {
			return context.WithValue(parent, counter{}, new(atomic.Int64))
		},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
