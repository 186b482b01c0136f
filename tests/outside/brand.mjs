// Looks at pages with an operator's logo and color, and at the set-up page of a company that is on.
//
// Usage: NODE_MODULES=FOLDER node brand.mjs ADDRESS NAME_OF_COOKIE VALUE_OF_COOKIE [FOLDER_OF_PICTURES]
//
// The cookie is of a visit to the set-up page. Exits with 1 where the logo is not shown, or where something cannot be read.
import assert from "node:assert/strict";
import { everywhereAtOnce } from "./looking.mjs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")));
const { chromium } = require("playwright-core");
const [address, name, value, pictures] = process.argv.slice(2);
const visit = { name, value, url: address, httpOnly: true };
const PAGES = { identify: "/oauth2/sign_in", refusal: "/oauth2/nothing", setup: "/oauth2/setup", people: "/oauth2/setup/people", sheet: "/oauth2/setup/sheet" };

// With the policy of the pages in force: the logo loads, and nothing else is asked for.
const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const context = await browser.newContext();
await context.addCookies([visit]);
const page = await context.newPage();
const refused = [];
page.on("console", (it) => it.text().includes("Content Security Policy") && refused.push(it.text()));
for (const path of Object.values(PAGES)) {
  await page.goto(address + path);
  const width = await page.locator(".brand img").evaluate((it) => it.decode().then(() => it.naturalWidth));
  assert.ok(width > 0, `${path} shows no logo`);
}
// Opened by itself, the logo runs nothing.
await page.goto(address + "/oauth2/logo");
assert.equal(await page.evaluate(() => document.documentElement.getAttribute("data-ran")), null);
assert.deepEqual(refused.filter((it) => !it.includes("script")), []);

// On a phone, the code is on the first screen.
await page.setViewportSize({ width: 360, height: 780 });
await page.goto(address + PAGES.setup);
const box = await page.locator("section.status p.code").boundingBox();
assert.ok(box.y + box.height <= 780, `the code ends at ${box.y + box.height}`);
await browser.close();

await everywhereAtOnce(pictures, async (it, look) => {
  await it.addCookies([visit]);
  const tab = await it.newPage();
  for (const [shown, path] of Object.entries(PAGES)) {
    await tab.goto(address + path);
    await look(tab, `brand-${shown}`);
  }
});
