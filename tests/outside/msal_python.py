"""Signs in at the emulator with an unmodified MSAL for Python.

Usage: msal_python.py AUTHORITY CA_FILE CLIENT_ID CLIENT_SECRET REDIRECT_URI
AUTHORITY is scheme, host, port and tenant, such as https://127.0.0.1:8443/TENANT_GUID; MSAL refuses plain HTTP.
"""

import re
import sys
from urllib.parse import parse_qs, urljoin, urlsplit

import msal
import requests


def sign_in(http, uri):
    """Does what a person does in the picker, and gives back the parameters that reach the app."""
    page = http.get(uri)
    assert page.status_code == 200, page.text
    transaction = re.search(r'name="transaction" value="([^"]+)"', page.text).group(1)
    person = re.search(r'name="person" value="([^"]+)">Maya', page.text).group(1)
    action = urljoin(uri, re.search(r'action="([^"]+)"', page.text).group(1))
    parts = urlsplit(uri)
    own = {"Origin": f"{parts.scheme}://{parts.netloc}"}
    back = http.post(action, data={"transaction": transaction, "person": person}, headers=own, allow_redirects=False)
    assert back.status_code == 302, back.text
    return {name: values[0] for name, values in parse_qs(urlsplit(back.headers["Location"]).query).items()}


def main():
    authority, ca, client_id, secret, redirect_uri = sys.argv[1:6]
    host = urlsplit(authority).netloc
    http = requests.Session()
    # Otherwise a bundle named in the environment wins over the one given here.
    http.trust_env = False
    http.verify = ca
    app = msal.ConfidentialClientApplication(client_id, client_credential=secret, authority=authority, http_client=http, instance_discovery=False)
    assert host in app.authority.token_endpoint, app.authority.token_endpoint

    flow = app.initiate_auth_code_flow(["User.Read"], redirect_uri=redirect_uri)
    result = app.acquire_token_by_auth_code_flow(flow, sign_in(http, flow["auth_uri"]))
    assert "error" not in result, result
    claims = result["id_token_claims"]
    assert claims["preferred_username"] == "maya@contoso.example" and claims["roles"] == ["Admin"], claims

    [account] = app.get_accounts()
    renewed = app.acquire_token_silent(["User.Read"], account=account, force_refresh=True)
    assert renewed and "error" not in renewed, renewed
    assert renewed["access_token"] != result["access_token"]

    own = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert "error" not in own, own

    wrong = msal.ConfidentialClientApplication(client_id, client_credential="wrong", authority=authority, http_client=http, instance_discovery=False)
    refused = wrong.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert refused["error"] == "invalid_client" and refused["error_codes"] == [7000215], refused
    sys.stdout.write(f"MSAL for Python {msal.__version__}: sign-in, refresh, client credentials and a refusal as expected\n")


main()
