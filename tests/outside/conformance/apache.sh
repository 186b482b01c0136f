#!/bin/sh
# The CGI program behind Apache httpd, for tests/stories/conformance.
set -eu

# whole BODY FIELD...: a response with a length.
whole() {
    body=$1
    shift
    for field in "$@"; do printf '%s\n' "$field"; done
    printf 'Content-Length: %s\n\n%s' "${#body}" "$body"
}

big() {
    value=$(printf '%01000d' 0)
    at=0
    while [ "$at" -lt "$1" ]; do
        printf 'X-Big-%s: %s\n' "$at" "$value"
        at=$((at + 1))
    done
    printf 'Content-Length: 0\n\n'
}

case $PATH_INFO in
    /length) whole length ;;
    /empty) whole "" ;;
    /chunked)
        printf 'Content-Type: text/plain\n\nfirst,'
        sleep 0.1
        printf '%0100000d' 0
        ;;
    /no-content) printf 'Status: 204 No Content\nX-Kept: 1\n\n' ;;
    /not-modified) printf 'Status: 304 Not Modified\nETag: "tag"\n\n' ;;
    /reason) whole "" 'Status: 299 Mostly Fine' ;;
    /repeated)
        whole "" 'Set-Cookie: one=1; Path=/' 'Set-Cookie: two=2; HttpOnly' 'Link: </a>; rel=prev' 'Link: </b>; rel=next'
        ;;
    /headers-*) big "${PATH_INFO#/headers-}" ;;
    /until-close)
        printf 'Content-Type: text/plain\n\nuntil '
        sleep 0.1
        printf close
        ;;
    /early) whole "not refused" ;;
    /upload)
        file=$(mktemp)
        cat >"$file"
        framing=chunked
        [ -z "${CONTENT_LENGTH:-}" ] || framing=length
        [ -z "${HTTP_TRANSFER_ENCODING:-}" ] || framing=chunked
        whole "$REQUEST_METHOD $framing $(wc -c <"$file") $(sha256sum <"$file" | cut -d ' ' -f 1)"
        rm "$file"
        ;;
    *) whole "" 'Status: 404 Not Found' ;;
esac
