// Verifies an assertion with jose. Reads it from standard input, prints its claims as JSON, or says why not and exits with 1.
import { createRemoteJWKSet, jwtVerify } from "jose";

const { ENTRADA_JWKS_URL, ENTRADA_ISSUER, ENTRADA_AUDIENCE } = process.env;

// Made once: it keeps the keys, and asks again when it meets an unknown `kid`.
const keys = createRemoteJWKSet(new URL(ENTRADA_JWKS_URL));

/** The claims of an assertion (the header X-Entrada-Assertion), or an error. */
export async function verify(assertion) {
  const { payload } = await jwtVerify(assertion, keys, {
    typ: "entrada+jwt",
    algorithms: ["ES256"],
    issuer: ENTRADA_ISSUER,
    audience: ENTRADA_AUDIENCE,
    requiredClaims: ["sub", "exp", "nbf"],
    clockTolerance: 5,
  });
  return payload;
}

let assertion = "";
for await (const part of process.stdin) assertion += part;
try {
  process.stdout.write(JSON.stringify(await verify(assertion.trim())) + "\n");
} catch (error) {
  process.stderr.write(`refused: ${error.message}\n`);
  process.exitCode = 1;
}
