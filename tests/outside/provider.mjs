// A certified OpenID provider, unmodified (npm oidc-provider), under an address of Entra's form and with Entra's claims, all by its own configuration.
//
// Usage: NODE_MODULES=FOLDER node provider.mjs TENANT CLIENT_ID CLIENT_SECRET REDIRECT_URI
// Prints where it listens, then serves until its input ends. Everybody who comes is Maya. Two switches for stories, by POST:
// /keys makes it sign with new keys only; /nonce makes it begin each sign-in for a nonce of its own.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

// Nobody reads standard output behind its first line, and the provider writes its notices there.
console.log = console.error;
console.info = console.error;
const require = createRequire(pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")));
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);
const [tenant, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const mount = `/${tenant}/v2.0`;
const scope = "openid profile email";

const MAYA = {
  sub: "maya",
  oid: "00aa00aa-bb11-cc22-dd33-44ee44ee0001",
  tid: tenant,
  ver: "2.0",
  name: "Maya Okafor",
  preferred_username: "maya@contoso.example",
  email: "maya@contoso.example",
  roles: ["Admin", "Reader"],
};

function jwk(type, options, more) {
  return { ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), use: "sig", ...more };
}

/** One for RS256, as Entra's are, beside one of a kind that Entra does not have. */
function keys() {
  return [jwk("ec", { namedCurve: "P-256" }, { alg: "ES256" }), jwk("rsa", { modulusLength: 2048 }, { alg: "RS256" })];
}

/** Nobody is asked for consent. */
async function loadExistingGrant(ctx) {
  const { client, session } = ctx.oidc;
  const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(scope);
  await grant.save();
  return grant;
}

function provider(issuer) {
  return new Provider(issuer, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri], post_logout_redirect_uris: [] }],
    jwks: { keys: keys() },
    cookies: { keys: ["a key of the stories"] },
    claims: { openid: ["sub", "oid", "tid", "ver"], profile: ["name", "preferred_username", "roles"], email: ["email"] },
    // Entra writes what the scopes bring into the ID token.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `${mount}/interaction/${interaction.uid}` },
    findAccount: (_, id) => (id === MAYA.sub ? { accountId: id, claims: () => ({ ...MAYA }) } : undefined),
    loadExistingGrant,
  });
}

let current;
let ownNonce = false;

function switched(path) {
  if (path === "/keys") current = provider(current.issuer);
  else if (path === "/nonce") ownNonce = true;
  else return false;
  return true;
}

const server = createServer((request, response) => {
  const path = request.url.split("?")[0];
  if (request.method === "POST" && switched(path)) return response.writeHead(204).end();
  if (!path.startsWith(`${mount}/`)) return response.writeHead(404).end();
  if (path.startsWith(`${mount}/interaction/`)) return current.interactionFinished(request, response, { login: { accountId: MAYA.sub } });
  // As a router does that mounts an application: the provider knows from the original where it stands.
  const url = ownNonce ? request.url.replace(/([?&]nonce=)[^&]*/, "$1a-nonce-of-somebody-else") : request.url;
  request.originalUrl = url;
  request.url = url.slice(mount.length);
  return current.callback()(request, response);
});

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  current = provider(`http://127.0.0.1:${port}${mount}`);
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
