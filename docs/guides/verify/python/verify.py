"""Verifies an assertion with PyJWT. Reads it from standard input, prints its claims as JSON, or says why not and exits with 1."""

import json
import os
import sys

import jwt

# Made once: it keeps the keys, and asks again when it meets an unknown `kid`.
KEYS = jwt.PyJWKClient(os.environ["ENTRADA_JWKS_URL"])


def verify(assertion):
    """The claims of an assertion (the header X-Entrada-Assertion), or jwt.PyJWTError."""
    header = jwt.get_unverified_header(assertion)
    if header.get("typ") != "entrada+jwt":
        raise jwt.InvalidTokenError("typ is not entrada+jwt")
    key = KEYS.get_signing_key_from_jwt(assertion)
    return jwt.decode(
        assertion,
        key,
        algorithms=["ES256"],
        issuer=os.environ["ENTRADA_ISSUER"],
        audience=os.environ["ENTRADA_AUDIENCE"],
        leeway=5,
        options={"require": ["iss", "aud", "sub", "exp", "nbf"]},
    )


if __name__ == "__main__":
    try:
        print(json.dumps(verify(sys.stdin.read().strip())))
    except jwt.PyJWTError as error:
        sys.exit(f"refused: {error}")
