// Signs in through Entrada with an unmodified AppAuth for JS, as a command line does: it opens the browser and listens on loopback.
//
// Usage: PATH=FOLDER_OF_XDG_OPEN:$PATH node native_appauth.mjs ISSUER CLIENT_ID PORT PATH
// The browser that xdg-open opens is native_person.mjs.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const appauth = require("@openid/appauth");
const { NodeBasedHandler } = require("@openid/appauth/built/node_support/node_request_handler.js");
const { NodeRequestor } = require("@openid/appauth/built/node_support/node_requestor.js");
const { NodeCrypto } = require("@openid/appauth/built/node_support/crypto_utils.js");

const [issuer, client_id, port, path] = process.argv.slice(2);
const redirect_uri = `http://127.0.0.1:${port}${path}`;
// It looks for OpenID Connect only; what it needs is handed to it.
const told = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
const server = new appauth.AuthorizationServiceConfiguration(told);

const notifier = new appauth.AuthorizationNotifier();
const browser = new NodeBasedHandler(Number(port));
browser.setAuthorizationNotifier(notifier);
const asked = { client_id, redirect_uri, scope: "jobs", response_type: appauth.AuthorizationRequest.RESPONSE_TYPE_CODE, extras: { organization: "contoso" } };
const [request, response] = await new Promise((resolve, reject) => {
  notifier.setAuthorizationListener((request, response, error) => (error ? reject(new Error(error.error)) : resolve([request, response])));
  browser.performAuthorizationRequest(server, new appauth.AuthorizationRequest(asked, new NodeCrypto()));
});
assert.equal(response.state, request.state);

const tokens = new appauth.BaseTokenRequestHandler(new NodeRequestor());
const asks = (grant_type, more) => tokens.performTokenRequest(server, new appauth.TokenRequest({ client_id, redirect_uri, grant_type, ...more }));
const extras = { code_verifier: request.internal.code_verifier };
const first = await asks(appauth.GRANT_TYPE_AUTHORIZATION_CODE, { code: response.code, extras });
// By default it takes a token for old ten minutes before its end, which is longer than ours lasts.
assert.ok(first.accessToken && first.refreshToken && first.isValid(0));

const heard = async (token) => fetch(`${issuer}/api/jobs`, { headers: { Accept: "application/json", Authorization: `Bearer ${token}` } });
const answer = await heard(first.accessToken);
assert.equal(answer.status, 200);
const headers = (await answer.json()).headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
assert.ok(headers.includes("x-entrada-organization: contoso"), headers.join("\n"));

const second = await asks(appauth.GRANT_TYPE_REFRESH_TOKEN, { refresh_token: first.refreshToken });
assert.notEqual(second.refreshToken, first.refreshToken);
assert.equal((await heard(second.accessToken)).status, 200);

const revoked = new appauth.RevokeTokenRequest({ token: second.refreshToken, token_type_hint: "refresh_token", client_id });
assert.equal(await tokens.performRevokeTokenRequest(server, revoked), true);
await assert.rejects(asks(appauth.GRANT_TYPE_REFRESH_TOKEN, { refresh_token: second.refreshToken }));
assert.equal((await heard(second.accessToken)).status, 401);
process.stdout.write("AppAuth for JS: sign-in by the browser, the app, refresh and revocation as expected\n");
process.exit(0);
