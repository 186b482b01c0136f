// Signs in at the emulator with an unmodified MSAL for Node.
//
// Usage: NODE_EXTRA_CA_CERTS=CA_FILE node msal_node.mjs AUTHORITY CLIENT_ID CLIENT_SECRET REDIRECT_URI
// AUTHORITY is scheme, host, port and tenant, such as https://127.0.0.1:8443/TENANT_GUID; MSAL refuses plain HTTP.
import assert from "node:assert/strict";
import { ConfidentialClientApplication, CryptoProvider } from "@azure/msal-node";

const [authority, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const host = new URL(authority).host;
const scopes = ["User.Read"];
const make = (secret) => new ConfidentialClientApplication({ auth: { clientId, authority, clientSecret: secret, knownAuthorities: [host] } });

/** Does what a person does in the picker, and gives back the parameters that reach the app. */
async function signIn(uri) {
  const page = await fetch(uri);
  const text = await page.text();
  assert.equal(page.status, 200, text);
  const transaction = text.match(/name="transaction" value="([^"]+)"/)[1];
  const person = text.match(/name="person" value="([^"]+)">Maya/)[1];
  const action = new URL(text.match(/action="([^"]+)"/)[1], uri);
  const body = new URLSearchParams({ transaction, person });
  const back = await fetch(action, { method: "POST", body, headers: { Origin: action.origin }, redirect: "manual" });
  assert.equal(back.status, 302, await back.text());
  return new URL(back.headers.get("location")).searchParams;
}

const app = make(clientSecret);
const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
const uri = await app.getAuthCodeUrl({ scopes, redirectUri, codeChallenge: challenge, codeChallengeMethod: "S256", state: "s1", nonce: "n1" });
const back = await signIn(uri);
assert.equal(back.get("state"), "s1");
const result = await app.acquireTokenByCode({ scopes, redirectUri, code: back.get("code"), codeVerifier: verifier, nonce: "n1" });
assert.equal(result.account.username, "maya@contoso.example");
assert.deepEqual(result.idTokenClaims.roles, ["Admin"]);
const renewed = await app.acquireTokenSilent({ scopes, account: result.account, forceRefresh: true });
assert.notEqual(renewed.accessToken, result.accessToken);
const own = await app.acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] });
assert.ok(own.accessToken);
await assert.rejects(make("wrong").acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] }), /7000215/);
process.stdout.write("MSAL for Node: sign-in, refresh, client credentials and a refusal as expected\n");
