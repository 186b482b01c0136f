// Single sign-out in a real browser: signed in at the program, then signed out at Entra, whose page asks the program in a frame.
//
// Usage: NODE_MODULES=FOLDER node front_channel.mjs ADDRESS SIGN_OUT_AT_ENTRA
// Exits with 1 at the first thing that is not as it should be.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")));
const { chromium } = require("playwright-core");
const [address, signOut] = process.argv.slice(2);

const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const context = await browser.newContext();
const page = await context.newPage();
const wrong = [];
page.on("console", (it) => it.type() === "error" && wrong.push(it.text()));

await page.goto(`${address}/x`);
await page.getByRole("button", { name: /Maya Okafor/ }).click();
await page.waitForURL(`${address}/**`);
const status = async () => (await context.request.get(`${address}/api/x`)).status();
assert.equal(await status(), 200);

// A page of another site may ask, but not show what it asked: the frame stays shut, and nobody is signed out by a guess.
const front = `${address}/oauth2/front_channel_logout?sid=99999999-0000-4000-8000-000000000000`;
const evil = createServer((_, out) => out.setHeader("content-type", "text/html").end(`<!doctype html><iframe src="${front}"></iframe>`));
await new Promise((done) => evil.listen(0, "127.0.0.1", done));
await page.goto(`http://127.0.0.1:${evil.address().port}/`);
await page.waitForTimeout(500);
assert.ok(wrong.some((it) => it.includes("frame-ancestors")), wrong.join("\n"));
assert.equal(await status(), 200);
evil.close();

// Entra's page may, and its frame brings no cookie.
wrong.length = 0;
const asked = page.waitForRequest((it) => it.url().includes("/oauth2/front_channel_logout"));
await page.goto(signOut);
const request = await asked;
const answer = await request.response();
assert.equal(answer.status(), 200);
assert.equal((await request.allHeaders()).cookie, undefined);
await page.waitForLoadState("networkidle");
assert.deepEqual(wrong, []);
assert.equal(await status(), 401);
await browser.close();
console.log("signed out by the frame");
