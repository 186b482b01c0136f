// One app, many customers: an operator's link, the customer's admin who sets up the sign-in, and people who come by username, by company code,
// and in vain.
//
// Usage: NODE_MODULES=FOLDER node seed.mjs FOLDER_OF_PICTURES < WHAT_THERE_IS.json
// Prints what the app heard of whom, as JSON. Exits with 1 at the first thing that is not as it should be.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { screenshot } from "./screenshot.mjs";

const require = createRequire(pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")));
const { chromium } = require("playwright-core");
const [pictures] = process.argv.slice(2);
const { address, link, redirect_uri, tenant, client_id, value, secret_id, approved } = JSON.parse(readFileSync(0, "utf8"));
mkdirSync(pictures, { recursive: true });

const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const wrong = [];
let count = 0;

/** A browser of its own: another person, another device. */
async function someone(viewport = { width: 1280, height: 900 }) {
  const context = await browser.newContext({ viewport });
  context.on("page", (page) => page.on("console", (it) => it.type() === "error" && wrong.push(it.text())));
  return context;
}

/** The page as a phone and a desktop show it, by day and by night. */
async function picture(page, name) {
  const before = page.viewportSize();
  count += 1;
  for (const width of [360, 1280]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${name} is ${over} px wider than ${width}`);
      await screenshot(page, { path: join(pictures, `${String(count).padStart(2, "0")}-${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

const says = async (page, text) => assert.match(await page.textContent("main"), text);

/** What the app behind heard: its page is that in JSON. */
async function heard(page) {
  return ofPerson(JSON.parse(await page.textContent("body")));
}

function ofPerson(said) {
  const named = (name) => said.headers.find((it) => it[0] === name)?.[1];
  return Object.fromEntries(["person", "role", "organization", "assertion"].map((it) => [it, named(`x-entrada-${it}`)]));
}

/** By keyboard alone: goes on to that control, as the Tab key does. */
async function tabTo(page, name) {
  for (let presses = 0; presses < 40; presses += 1) {
    const at = await page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
    if (name.test(at) && (await page.evaluate(() => document.activeElement.tagName === "BUTTON"))) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`the keyboard does not reach ${name}`);
}

/** Opens the app signed out, types into the one field, and picks who one is at Entra; without a pointer. */
async function comes(page, typed, name, first = false) {
  await page.goto(`${address}/orders?day=1`);
  await says(page, /Username or company code/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "identifier", "the field has the focus");
  if (first) await picture(page, "sign-in");
  await page.keyboard.type(typed);
  await page.keyboard.press("Enter");
  await page.waitForURL(/oauth2\/v2.0\/authorize/);
  await tabTo(page, name);
  await page.keyboard.press("Enter");
  await page.waitForURL((it) => !it.pathname.endsWith("/authorize"));
}

/** The operator has confirmed that many accounts. */
async function confirmed(count) {
  for (let at = 0; at < 300; at += 1) {
    if (existsSync(approved) && Number(readFileSync(approved, "utf8")) >= count) return;
    await new Promise((go) => setTimeout(go, 100));
  }
  assert.fail(`the operator has not confirmed ${count} accounts`);
}

// The customer's admin opens the link. Looking at it uses nothing up.
const admin = await someone();
const page = await admin.newPage();
await page.goto(link);
await page.reload();
await says(page, /Set up single sign-on/);
await picture(page, "invitation");
await page.getByRole("button", { name: "Begin" }).click();
await page.waitForURL(`${address}/oauth2/setup`);
await says(page, /Single sign-on for Northwind Traders/);
await says(page, new RegExp(redirect_uri.replaceAll(".", "\\.")));
await picture(page, "set-up");
// A button copies the redirect URI. Without scripts it is not there, and the page does all that it is for.
await admin.grantPermissions(["clipboard-read", "clipboard-write"], { origin: address });
await page.getByRole("button", { name: "Copy the redirect URI" }).click();
await page.getByRole("status").getByText("Copied").waitFor();
assert.equal(await page.evaluate(() => navigator.clipboard.readText()), redirect_uri);
const plain = await (await browser.newContext({ javaScriptEnabled: false, storageState: await admin.storageState() })).newPage();
await plain.goto(`${address}/oauth2/setup`);
assert.equal(await plain.getByRole("button", { name: "Copy the redirect URI" }).count(), 0, "a button that does nothing");
assert.equal(await plain.locator("#redirect-uri").textContent(), redirect_uri);
await plain.getByLabel("Directory (tenant) ID").fill(tenant);
await plain.getByLabel("Application (client) ID").fill(client_id);
await plain.getByLabel("Client secret (Value)").fill(secret_id);
await plain.getByRole("button", { name: "Save" }).click();
await says(plain, /Nothing was saved yet/);
await plain.context().close();

// The Secret ID is refused on the spot, and nothing is saved; the Value is taken.
await page.getByLabel("Identity provider", { exact: true }).selectOption({ label: "Azure AD / Microsoft Entra ID" });
await page.getByLabel("Directory (tenant) ID").fill(tenant);
await page.getByLabel("Application (client) ID").fill(client_id);
await page.getByLabel("Client secret (Value)").fill(secret_id);
await page.getByRole("button", { name: "Save" }).click();
await says(page, /This is the Secret ID\. Copy the Value from the column next to it\./);
await picture(page, "secret-id-refused");
await page.getByLabel("Client secret (Value)").fill(value);
await page.getByRole("button", { name: "Save" }).click();
await says(page, /Saved\. Next, test the connection/);
await says(page, /Tenant found/);
await says(page, new RegExp(`${tenant}/v2\\.0`));
assert.ok(!(await page.content()).includes(value), "the secret is read back");
assert.equal(await page.getByRole("button", { name: "Turn on" }).count(), 0, "nothing is turned on untested");
await picture(page, "found-out");

// Test is a real sign-in in a new tab; it begins no session.
const [tab] = await Promise.all([admin.waitForEvent("page"), page.getByRole("button", { name: "Test the sign-in" }).click()]);
await tab.waitForURL(/oauth2\/v2.0\/authorize/);
await tab.getByRole("button", { name: /Nora Berg/ }).click();
await tab.waitForURL(`${address}/**`);
await says(tab, /The sign-in works/);
await says(tab, /You may be nora@northwind\.example, who was added here with the role owner, but you would not be linked automatically/);
await says(tab, /nora@northwind\.example/);
await picture(tab, "test");
await tab.close();
assert.equal((await admin.cookies()).some((it) => /^entrada-\d+$/.test(it.name)), false, "a test signs nobody in");

await page.reload();
await page.getByRole("button", { name: "Turn on" }).click();
await says(page, /Single sign-on is on/);
await says(page, /northwind/);
await picture(page, "on");
await page.getByRole("link", { name: "Printable instructions for staff" }).click();
await says(page, /Company code\s*northwind/);
await picture(page, "sheet");

// She signs in by the link that the page shows, waits until the operator confirms her, is her company's owner, and signs out.
async function comesByLink() {
  await page.goto(`${address}/oauth2/start?organization=northwind`);
  if (page.url().includes("/authorize")) await page.getByRole("button", { name: /Nora Berg/ }).click();
}
await comesByLink();
await says(page, /Your administrator needs to confirm your account/);
await confirmed(1);
await comesByLink();
await page.waitForURL(`${address}/`);
const nora = await heard(page);
assert.deepEqual([nora.role, nora.organization], ["owner", "northwind"]);
await page.goto(`${address}/oauth2/setup`);
await says(page, /Single sign-on for Northwind Traders/);
await picture(page, "owner");
await page.goto(`${address}/oauth2/sign_out`);
await page.waitForLoadState("networkidle");
assert.equal((await admin.cookies(address)).some((it) => /^entrada-\d+$/.test(it.name)), false, "signed out");
await admin.close();

// Somebody known comes by username. His role may open the set-up page, so he waits, too.
const waiting = await (await someone()).newPage();
await comes(waiting, "Nils@Northwind.example", /Nils Holm/, true);
await says(waiting, /Your administrator needs to confirm your account/);
await picture(waiting, "waits");
await confirmed(2);
const known = await (await someone()).newPage();
await comes(known, "Nils@Northwind.example", /Nils Holm/);
assert.equal(known.url(), `${address}/orders?day=1`);
const nils = await heard(known);
assert.deepEqual([nils.role, nils.organization], ["admin", "northwind"]);

// Somebody unknown comes by company code, and is a worker.
const unknown = await (await someone({ width: 360, height: 740 })).newPage();
await comes(unknown, "northwind", /Nele Brandt/);
const nele = await heard(unknown);
assert.deepEqual([nele.role, nele.organization], ["worker", "northwind"]);

// Somebody whom nobody assigned reads what to do, and is not in.
const outside = await (await someone()).newPage();
await comes(outside, "northwind", /Noor Haddad/);
await says(outside, /AADSTS50105/);
await says(outside, /Please contact your administrator to assign access to this application/);
await picture(outside, "not-assigned");
await outside.goto(`${address}/`);
assert.match(outside.url(), /\/oauth2\/sign_in/);

// The phone signs in by company code: in its browser, which comes back to the app's own address with a code.
const post = async (url, fields) => {
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ client_id: "fleet-phone", ...fields }) });
  return [answer.status, await answer.json().catch(() => null)];
};
const metadata = await (await fetch(`${address}/.well-known/oauth-authorization-server`)).json();
assert.equal(metadata.issuer, address);
let arrived;
const back = new Promise((done) => { arrived = done; });
const phone = createServer((request, answer) => {
  if (request.url.startsWith("/signed-in")) arrived(new URL(request.url, "http://127.0.0.1"));
  answer.setHeader("content-type", "text/html").end("<main>Back in the app</main>");
});
await new Promise((done) => phone.listen(0, "127.0.0.1", done));
const mine = `http://127.0.0.1:${phone.address().port}/signed-in`;
const [verifier, state] = [randomBytes(32).toString("base64url"), randomBytes(16).toString("base64url")];
const authorize = new URL(metadata.authorization_endpoint);
const challenge = createHash("sha256").update(verifier).digest("base64url");
const asked = { response_type: "code", client_id: "fleet-phone", redirect_uri: mine, state, code_challenge: challenge, code_challenge_method: "S256", organization: "northwind" };
for (const [name, value] of Object.entries(asked)) authorize.searchParams.set(name, value);
const handheld = await (await someone({ width: 360, height: 740 })).newPage();
await handheld.goto(authorize.href);
await handheld.getByRole("button", { name: "Continue" }).click();
await handheld.getByRole("button", { name: /Nele Brandt/ }).click();
const came = (await back).searchParams;
assert.deepEqual([came.get("state"), came.get("iss")], [state, address]);
const [status, tokens] = await post(metadata.token_endpoint, { grant_type: "authorization_code", code: came.get("code"), redirect_uri: mine, code_verifier: verifier });
assert.equal(status, 200, JSON.stringify(tokens));
const call = (token) => fetch(`${address}/orders`, { headers: { authorization: `Bearer ${token}`, accept: "application/json" } });
const onPhone = ofPerson(await (await call(tokens.access_token)).json());
assert.deepEqual([onPhone.role, onPhone.organization], ["worker", "northwind"]);
// It goes on by a refresh token, and ends when the person signs out.
const refresh = (token) => post(metadata.token_endpoint, { grant_type: "refresh_token", refresh_token: token });
const [again, next] = await refresh(tokens.refresh_token);
assert.equal(again, 200, JSON.stringify(next));
assert.equal((await call(next.access_token)).status, 200);
assert.equal((await post(metadata.revocation_endpoint, { token: next.refresh_token }))[0], 200);
assert.equal((await refresh(next.refresh_token))[0], 400);
phone.closeAllConnections();
phone.close();

// A refusal is a console error to Chromium; nothing else may be one.
assert.deepEqual(wrong.filter((it) => !/status of 4/.test(it)), []);
await browser.close();
console.log(JSON.stringify({ nora, nils, nele, phone: onPhone }));
