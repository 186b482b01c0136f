// The admin of a customer in a real browser, with the keyboard alone: a link, six steps with the wrong value first, a test in a new tab, Turn on.
//
// Usage: NODE_MODULES=FOLDER node set_up.mjs LINK TENANT_ID CLIENT_ID FOLDER_OF_PICTURES WORKER_ID OWNER_ID FILE_OF_APPROVAL < CLIENT_SECRET
//
// Tom is the worker and Ines the owner; the file exists once the operator has approved.
// Exits with 1 at the first thing that is not as it should be.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { screenshot } from "./screenshot.mjs";

const require = createRequire(pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")));
const { chromium } = require("playwright-core");
const [link, tenant, client, pictures, workerId, ownerId, approved] = process.argv.slice(2);
const people = { worker: workerId, owner: ownerId, approved };
const secret = readFileSync(0, "utf8").trim();
mkdirSync(pictures, { recursive: true });

const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
const wrong = [];
page.on("console", (it) => it.type() === "error" && wrong.push(it.text()));
const picture = (it, name) => screenshot(it, { path: join(pictures, `${name}.png`), fullPage: true });
const text = (it) => it.textContent("main");

/** Tabs until the element of that name has the focus. */
async function reach(it, name) {
  for (let at = 0; at < 60; at += 1) {
    await it.keyboard.press("Tab");
    const found = await it.evaluate(() => {
      const now = document.activeElement;
      return [now?.labels?.[0]?.textContent ?? "", now?.textContent ?? ""].map((text) => text.trim());
    });
    if (found.includes(name)) return;
  }
  assert.fail(`${name} was not reached by the keyboard`);
}

/** The same from the top of the page. */
async function from_the_top(it, name) {
  await it.evaluate(() => document.activeElement?.blur());
  await reach(it, name);
}

async function enter(values) {
  for (const [name, value] of Object.entries(values)) {
    await from_the_top(page, name);
    await page.keyboard.press("Control+A");
    await page.keyboard.type(value);
  }
  await reach(page, "Save");
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
}

await page.goto(link);
await picture(page, "invitation");
await reach(page, "Begin");
await page.keyboard.press("Enter");
await page.waitForURL("**/oauth2/setup");
assert.match(await text(page), /Single sign-on for Contoso Freight/);
assert.equal((await context.cookies()).find((it) => /^entrada-\d+-v$/.test(it.name)).httpOnly, true);

await enter({ "Directory (tenant) ID": tenant, "Application (client) ID": client, "Client secret (Value)": "0a1b2c3d-1111-2222-3333-444455556666" });
assert.match(await text(page), /This is the Secret ID\. Copy the Value/);
await picture(page, "secret-id");
await enter({ "Client secret (Value)": secret });
await page.waitForURL("**/oauth2/setup?done=saved");
assert.match(await text(page), /Tenant found/);
assert.equal((await page.content()).includes(secret), false);

await from_the_top(page, "Test the sign-in");
const [tab] = await Promise.all([context.waitForEvent("page"), page.keyboard.press("Enter")]);
await tab.waitForLoadState();
assert.match(await tab.textContent("body"), /NOT MICROSOFT/);
assert.equal(await tab.evaluate(() => window.opener), null);
await tab.getByRole("button", { name: /Maya Okafor/ }).click();
await tab.waitForURL("**/oauth2/callback**");
assert.match(await text(tab), /The sign-in works/);
assert.match(await text(tab), /An account would be created for you as .* with the role worker/);
await picture(tab, "test");
await tab.close();
assert.equal((await context.cookies()).some((it) => /^entrada-\d+$/.test(it.name)), false);

await from_the_top(page, "Reload this page afterwards");
await page.keyboard.press("Enter");
await page.waitForURL("**/oauth2/setup");
await from_the_top(page, "Turn on");
await page.keyboard.press("Enter");
await page.waitForURL("**/oauth2/setup?done=on");
assert.match(await text(page), /Single sign-on is on/);
await picture(page, "on");
// On a phone, the code is on the first screen, and the steps are folded.
await page.setViewportSize({ width: 360, height: 780 });
const box = await page.locator("section.status p.code").boundingBox();
assert.ok(box.y + box.height <= 780, `the code ends at ${box.y + box.height}`);
assert.equal(await page.locator("details.steps").evaluate((it) => it.open), false);
await picture(page, "on-phone");
await page.setViewportSize({ width: 1280, height: 900 });
await from_the_top(page, "Printable instructions for staff");
await page.keyboard.press("Enter");
await page.waitForURL("**/oauth2/setup/sheet");
await page.emulateMedia({ media: "print" });
await picture(page, "sheet-printed");
// A worker who was added beforehand is linked by the UPN, and an owner waits until the operator approves: no domain is bound.
await page.emulateMedia({ media: "screen" });
const code = await page.locator("p.code code").textContent();
const home = new URL("/", link).href;

/** Signs in by the company code in a browser of their own, and returns the page where they end. */
async function comes(name) {
  const own = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const it = await own.newPage();
  await it.goto(home);
  await it.getByLabel("Username or company code").fill(code);
  await it.keyboard.press("Enter");
  await it.getByRole("button", { name }).click();
  await it.waitForLoadState();
  return [own, it];
}

const [worker, tom] = await comes(/Tom Becker/);
assert.match(await tom.textContent("body"), /"x-entrada-role","worker"/);
assert.match(await tom.textContent("body"), new RegExp(`"x-entrada-person","${people.worker}"`));
await worker.close();
const [waiting, ines] = await comes(/Ines Duarte/);
assert.match(await text(ines), /Your administrator needs to confirm your account/);
await picture(ines, "waits");
assert.equal((await waiting.cookies()).some((it) => /^entrada-\d+$/.test(it.name)), false);
await waiting.close();
console.log("the owner waits");
// The operator approves meanwhile.
for (let at = 0; at < 100 && !existsSync(people.approved); at += 1) await new Promise((go) => setTimeout(go, 100));
const [owner, signedIn] = await comes(/Ines Duarte/);
assert.match(await signedIn.textContent("body"), new RegExp(`"x-entrada-person","${people.owner}"`));
await signedIn.goto(new URL("/oauth2/setup", link).href);
assert.match(await text(signedIn), /Single sign-on for Contoso Freight/);
await picture(signedIn, "owner");
await owner.close();
// A refusal is a console error to Chromium, and so is the icon that nobody is signed in for; nothing else may be one.
assert.deepEqual(wrong.filter((it) => !/\b(422|40[134])\b/.test(it)), []);
await browser.close();
console.log("set up, tested and turned on");
