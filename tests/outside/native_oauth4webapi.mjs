// Signs in through Entrada with an unmodified oauth4webapi, calls the app, refreshes, and revokes.
//
// Usage: node native_oauth4webapi.mjs ISSUER CLIENT_ID REDIRECT_URI
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { signsIn } from "./native_person.mjs";

const [issuer, client_id, redirect_uri] = process.argv.slice(2);
// Its documented way to speak http with a server on this machine.
const options = { [oauth.allowInsecureRequests]: true };
const asked = await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...options });
const server = await oauth.processDiscoveryResponse(new URL(issuer), asked);
const client = { client_id };

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const page = new URL(server.authorization_endpoint);
const challenge = await oauth.calculatePKCECodeChallenge(verifier);
const query = { client_id, redirect_uri, response_type: "code", code_challenge: challenge, code_challenge_method: "S256", state, login_hint: "maya@contoso.example" };
for (const [name, value] of Object.entries(query)) page.searchParams.set(name, value);
const { url } = await signsIn(page, "Maya", redirect_uri);

// It looks at state and iss itself.
const parameters = oauth.validateAuthResponse(server, client, url, state);
const redeemed = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), parameters, redirect_uri, verifier, options);
const first = await oauth.processAuthorizationCodeResponse(server, client, redeemed);
assert.ok(first.refresh_token && first.expires_in >= 300 && first.expires_in <= 600, JSON.stringify({ ...first, access_token: "", refresh_token: "" }));

const heard = async (token) => {
  const answer = await oauth.protectedResourceRequest(token, "GET", new URL("/api/jobs", issuer), new Headers({ Accept: "application/json" }), null, options);
  return Object.fromEntries((await answer.json()).headers.map(([name, value]) => [name.toLowerCase(), value]));
};
const told = await heard(first.access_token);
assert.equal(told["x-entrada-organization"], "contoso");
assert.equal(told["x-entrada-role"], "worker");
assert.ok(told["x-entrada-assertion"] && told["x-entrada-person"]);

const refreshed = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), first.refresh_token, options);
const second = await oauth.processRefreshTokenResponse(server, client, refreshed);
assert.notEqual(second.refresh_token, first.refresh_token);
assert.equal((await heard(second.access_token))["x-entrada-person"], told["x-entrada-person"]);

await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, oauth.None(), second.refresh_token, options));
const over = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), second.refresh_token, options);
await assert.rejects(oauth.processRefreshTokenResponse(server, client, over), (it) => it.error === "invalid_grant");
await assert.rejects(heard(second.access_token), (it) => it instanceof oauth.WWWAuthenticateChallengeError && it.status === 401);
process.stdout.write("oauth4webapi: discovery, sign-in, the app, refresh and revocation as expected\n");
