"""Speaks WebSocket through Entrada with an unmodified `websockets`.

Usage: websocket.py ADDRESS ORIGIN COOKIE
"""

import sys

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def main():
    address, origin, cookie = sys.argv[1:4]
    with connect(address, origin=origin, additional_headers={"Cookie": cookie}, compression=None, proxy=None) as socket:
        for message in ["hello", "Zoë 王", "x" * 100_000]:
            socket.send(message)
            assert socket.recv(timeout=10) == message
    try:
        with connect(address, origin=origin, proxy=None):
            raise AssertionError("a stranger was let in")
    except InvalidStatus as refused:
        assert refused.response.status_code == 401, refused
    sys.stdout.write("echoed, and refused with 401\n")


main()
