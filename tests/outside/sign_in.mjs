// A person in a real browser at `entrada dev`: picks herself, is signed in, meets the admin page, an echo, and signs out.
//
// Usage: NODE_MODULES=FOLDER node sign_in.mjs ADDRESS FOLDER_OF_PICTURES
// Exits with 1 at the first thing that is not as it should be.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { screenshot } from "./screenshot.mjs";

const require = createRequire(pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")));
const { chromium } = require("playwright-core");
const [address, pictures] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });

const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
const page = await context.newPage();
const wrong = [];
page.on("console", (it) => it.type() === "error" && wrong.push(it.text()));
const picture = (name) => screenshot(page, { path: join(pictures, `${name}.png`) });

async function signIn(name) {
  await page.getByRole("button", { name: new RegExp(name) }).click();
  await page.waitForURL(`${address}/**`);
}

await page.goto(address);
assert.match(await page.textContent("body"), /NOT MICROSOFT/);
await picture("picker");
await signIn("Maya Okafor");
assert.match(await page.textContent("h1"), /Maya Okafor/);
assert.match(await page.textContent("body"), /11 of 11 checks passed/);
await picture("demo");
const cookies = await context.cookies(address);
const session = cookies.find((it) => /^entrada-\d+$/.test(it.name));
assert.ok(session.httpOnly && session.sameSite === "Lax" && session.path === "/", JSON.stringify(cookies));
assert.equal(await page.evaluate(() => document.cookie.includes("entrada")), false);
assert.equal((await page.goto(`${address}/admin`)).status(), 200);
await picture("admin");

await page.goto(`${address}/oauth2/start?prompt=select_account&rd=/`);
await signIn("Tom Becker");
assert.match(await page.textContent("h1"), /Tom Becker/);
assert.equal((await page.goto(`${address}/admin`)).status(), 403);
assert.match(await page.textContent("h1"), /You do not have access to this page/);
await picture("forbidden");

await page.goto(address);
await page.getByRole("button", { name: "Sign out" }).click();
await page.waitForLoadState();
await picture("signed-out");
assert.equal((await context.cookies(address)).some((it) => /^entrada-\d+$/.test(it.name)), false);
await page.goto(`${address}/`);
assert.match(await page.textContent("body"), /NOT MICROSOFT/);
// A refusal is a console error to Chromium; nothing else may be one.
assert.deepEqual(wrong.filter((it) => !it.includes("403")), []);
await browser.close();
console.log("signed in and out");
