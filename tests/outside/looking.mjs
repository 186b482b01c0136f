// Looks at pages as people see them: axe's verdict (WCAG 2.2 A and AA), whether a page is wider than the screen, and pictures.
//
// NODE_MODULES is the folder that holds axe-core and playwright-core; CHROMIUM is the browser, /usr/bin/chromium if unset.
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
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What is wrong with an open page. */
async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate((values) => globalThis.axe.run({ runOnly: { type: "tag", values } }), RULES);
  const wrong = found.violations.map((it) => ({ rule: it.id, help: it.help, nodes: it.nodes.map((node) => node.html) }));
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) wrong.push({ rule: "reflow", help: `the page is ${over} px wider than the screen`, nodes: [] });
  return wrong;
}

/**
 * Calls `visit(context, look)` at the size of a phone and of a desktop, in light and in dark, each with a browser context of its own;
 * `look(page, name)` judges the page that is open, its details opened for axe. Prints the violations as JSON; the process ends with 1 where
 * there are any, or where there was nothing to look at. `atOnce`: both sizes at once, where a visit changes nothing that another one sees.
 */
export async function everywhere(pictures, visit, { atOnce = false } = {}) {
  if (pictures) mkdirSync(pictures, { recursive: true });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
  const all = [];
  const names = new Set();
  const at = async ([size, viewport]) => {
    for (const colorScheme of ["light", "dark"]) {
      // axe is put into the page, which a page's own policy would refuse.
      const context = await browser.newContext({ viewport, colorScheme, bypassCSP: true });
      await visit(context, async (page, name) => {
        names.add(name);
        if (pictures) await screenshot(page, { path: join(pictures, `${name}-${size}-${colorScheme}.png`), fullPage: true });
        await page.evaluate(() => document.querySelectorAll("details").forEach((it) => { it.open = true; }));
        for (const it of await violations(page)) all.push({ name, size, colorScheme, ...it });
      });
      await context.close();
    }
  };
  const sizes = Object.entries(SIZES);
  if (atOnce) await Promise.all(sizes.map(at));
  else for (const size of sizes) await at(size);
  await browser.close();
  console.log(JSON.stringify({ pages: names.size, violations: all }, null, 2));
  process.exitCode = all.length > 0 || names.size === 0 ? 1 : 0;
}
