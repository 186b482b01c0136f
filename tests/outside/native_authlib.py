"""Signs in through Entrada with an unmodified authlib, calls the app, refreshes, and revokes.

Usage: AUTHLIB_INSECURE_TRANSPORT=1 native_authlib.py ISSUER CLIENT_ID REDIRECT_URI
The variable is authlib's documented way to speak http with a server on this machine.
"""

import html
import re
import sys
from urllib.parse import urljoin, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url

issuer, client_id, redirect_uri = sys.argv[1:]


def signs_in(address, name):
    """Does what a person does in a browser, up to the app's own address."""
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    shown = browser.get(address, timeout=30)
    if 'name="choice" value="continue"' in shown.text:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(shown.url))
        shown = browser.post(shown.url, data={"choice": "continue"}, headers={"Origin": origin}, timeout=30)
    transaction = re.search(r'name="transaction" value="([^"]+)"', shown.text).group(1)
    person = re.search(rf'name="person" value="([^"]+)">{name}', shown.text).group(1)
    place = urljoin(shown.url, html.unescape(re.search(r'action="([^"]+)"', shown.text).group(1)))
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(place))
    answer = browser.post(place, data={"transaction": transaction, "person": person}, headers={"Origin": origin}, allow_redirects=False, timeout=30)
    while answer.is_redirect:
        place = urljoin(answer.url, answer.headers["location"])
        if place.startswith(redirect_uri):
            return place
        answer = browser.get(place, allow_redirects=False, timeout=30)
    raise AssertionError(f"{answer.status_code} {answer.text}")


server = requests.get(get_well_known_url(issuer, external=True, suffix="oauth-authorization-server"), timeout=30).json()
assert server["issuer"] == issuer, server
client = OAuth2Session(client_id, redirect_uri=redirect_uri, scope="jobs", code_challenge_method="S256", token_endpoint_auth_method="none",
                       revocation_endpoint_auth_method="none")
verifier = generate_token(64)
page, state = client.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, login_hint="frida@fabrikam.example")
answer = signs_in(page, "Frida")
first = dict(client.fetch_token(server["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier))
assert first["token_type"].lower() == "bearer" and first["refresh_token"], sorted(first)


def heard():
    """What the app is told of whoever holds the token."""
    told = client.get(issuer + "/api/jobs", headers={"Accept": "application/json"}, timeout=30)
    return told.status_code, {name.lower(): value for name, value in told.json().get("headers", [])}


status, told = heard()
assert (status, told["x-entrada-organization"], told["x-entrada-role"]) == (200, "fabrikam", "worker"), (status, told)
second = dict(client.refresh_token(server["token_endpoint"], refresh_token=first["refresh_token"]))
assert second["refresh_token"] != first["refresh_token"]
assert heard()[0] == 200
revoked = client.revoke_token(server["revocation_endpoint"], token=second["refresh_token"], token_type_hint="refresh_token")
assert revoked.status_code == 200, revoked.text
try:
    client.refresh_token(server["token_endpoint"], refresh_token=second["refresh_token"])
except OAuthError as refused:
    assert refused.error == "invalid_grant", refused
else:
    raise AssertionError("a revoked token was renewed")
assert heard()[0] == 401
print("authlib: sign-in, the app, refresh and revocation as expected")
