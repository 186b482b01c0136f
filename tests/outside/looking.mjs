// Looks at pages as people see them: axe's verdict (WCAG 2.2 A and AA), whether a page is wider than the screen, and pictures.
//
// NODE_MODULES is the folder that holds axe-core and playwright-core; CHROMIUM is the browser, /usr/bin/chromium if unset.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { screenshot } from "./screenshot.mjs";

const here = process.env.NODE_MODULES ? pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")) : import.meta.url;
const require = createRequire(here);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const SIZES = { phone: { width: 360, height: 780 }, desktop: { width: 1280, height: 800 } };
const SCHEMES = ["light", "dark"];
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Shows an open page at a size and in a color scheme, without loading it again; it fails where the page does not see both. */
async function show(page, size, colorScheme) {
  const { width, height } = SIZES[size];
  const now = page.viewportSize();
  if (now?.width !== width || now.height !== height) await page.setViewportSize(SIZES[size]);
  await page.emulateMedia({ colorScheme });
  const seen = await page.evaluate((it) => [window.innerWidth, window.matchMedia(`(prefers-color-scheme: ${it})`).matches], colorScheme);
  assert.deepEqual(seen, [width, true], `${page.url()} is not shown on a ${size} in ${colorScheme}`);
}

/** What is wrong with an open page, into which axe was put. */
async function violations(page) {
  const found = await page.evaluate((values) => globalThis.axe.run({ runOnly: { type: "tag", values } }), RULES);
  const wrong = found.violations.map((it) => ({ rule: it.id, help: it.help, nodes: it.nodes.map((node) => node.html) }));
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) wrong.push({ rule: "reflow", help: `the page is ${over} px wider than the screen`, nodes: [] });
  return wrong;
}

/**
 * Looks at one page at each size and in each color scheme: pictures first, then axe with the details opened. A page is loaded and axe is put
 * into it once, which costs more than to look. From one look to the next, only one thing changes.
 */
async function looks(page, name, sizes, pictures) {
  const ways = sizes.flatMap((size, at) => (at % 2 ? SCHEMES.toReversed() : SCHEMES).map((scheme) => [size, scheme]));
  for (const [size, scheme] of pictures ? ways : []) {
    await show(page, size, scheme);
    await screenshot(page, { path: join(pictures, `${name}-${size}-${scheme}.png`), fullPage: true });
  }
  await page.evaluate(() => document.querySelectorAll("details").forEach((it) => { it.open = true; }));
  await page.evaluate(axe);
  const all = [];
  for (const [size, colorScheme] of ways.toReversed()) {
    await show(page, size, colorScheme);
    for (const it of await violations(page)) all.push({ name, size, colorScheme, ...it });
  }
  return all;
}

/**
 * Calls `visit(context, look)` at the size of a phone and of a desktop, each with a browser context of its own; `look(page, name)` judges the
 * page that is open, in light and in dark, and leaves its details open. Prints the violations as JSON; the process ends with 1 where there are
 * any, or where there was nothing to look at.
 *
 * Visits that only open pages, and use none, go to `everywhereAtOnce`.
 */
export async function everywhere(pictures, visit) {
  await report(pictures, async (begin) => {
    for (const size of Object.keys(SIZES)) await begin(visit, [size]);
  });
}

/** Like `everywhere`, for visits that only open pages: each opens a page once, to be looked at in both sizes. All visits are made at once. */
export async function everywhereAtOnce(pictures, ...visits) {
  await report(pictures, (begin) => Promise.all(visits.map((it) => begin(it, Object.keys(SIZES)))));
}

async function report(pictures, all) {
  if (pictures) mkdirSync(pictures, { recursive: true });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
  const found = [];
  const names = new Set();
  await all(async (visit, sizes) => {
    // axe is put into the page, which a page's own policy would refuse.
    const context = await browser.newContext({ viewport: SIZES[sizes[0]], bypassCSP: true });
    await visit(context, async (page, name) => {
      names.add(name);
      found.push(...await looks(page, name, sizes, pictures));
    });
    await context.close();
  });
  await browser.close();
  console.log(JSON.stringify({ pages: names.size, violations: found }, null, 2));
  process.exitCode = found.length > 0 || names.size === 0 ? 1 : 0;
}
