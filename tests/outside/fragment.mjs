// `session.keep_fragment` in a real browser: what follows # in an address comes back after the sign-in, with a script and without.
//
// Usage: NODE_MODULES=FOLDER node fragment.mjs ADDRESS
// Exits with 1 at the first thing that is not as it should be.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")));
const { chromium } = require("playwright-core");
const [address] = process.argv.slice(2);

const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const wrong = [];

async function signedIn(javaScriptEnabled, path) {
  const context = await browser.newContext({ javaScriptEnabled });
  const page = await context.newPage();
  // A page without a session is a 401, which Chromium reports as an error; a policy that stops the script would be another.
  page.on("console", (it) => it.type() === "error" && !it.text().includes("401") && wrong.push(it.text()));
  await page.goto(`${address}${path}`);
  await page.getByRole("button", { name: /Maya Okafor/ }).click();
  await page.waitForURL(`${address}/**`);
  const url = page.url();
  await context.close();
  return url.slice(address.length);
}

for (const path of ["/shop?a=b#/orders/5?x=y&z=%2F", "/shop#a b", "/shop", "/#!/x"]) {
  const expected = new URL(path, address).href.slice(address.length);
  assert.equal(await signedIn(true, path), expected);
}
// Nobody is left without a sign-in.
assert.equal((await signedIn(false, "/shop?a=b#/orders/5")).split("#")[0], "/shop?a=b");
assert.deepEqual(wrong, []);
await browser.close();
console.log("came back with the fragment");
