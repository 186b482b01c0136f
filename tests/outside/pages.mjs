// Looks at pages as people see them: axe's verdict (WCAG 2.2 A and AA), whether a page is wider than the screen, and pictures.
//
// Usage: NODE_MODULES=FOLDER node pages.mjs FOLDER_OF_HTML [FOLDER_OF_PICTURES]
// Every *.html in the folder is opened at the size of a phone and of a desktop, in light and in dark, its details opened for axe.
// NODE_MODULES is the folder that holds axe-core and playwright-core; CHROMIUM is the browser, /usr/bin/chromium if unset.
// Prints the violations as JSON; exits with 1 where there are any, or where there was nothing to look at.
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const here = process.env.NODE_MODULES ? pathToFileURL(join(resolve(process.env.NODE_MODULES), "/")) : import.meta.url;
const require = createRequire(here);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [folder, pictures] = process.argv.slice(2);
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };
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

const files = readdirSync(folder).filter((it) => it.endsWith(".html")).sort();
if (pictures) mkdirSync(pictures, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const all = [];
for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    // axe is put into the page, which a page's own policy would refuse.
    const context = await browser.newContext({ viewport, colorScheme, bypassCSP: true });
    for (const file of files) {
      const page = await context.newPage();
      await page.goto(pathToFileURL(resolve(folder, file)).href);
      if (pictures) await page.screenshot({ path: join(pictures, `${basename(file, ".html")}-${size}-${colorScheme}.png`), fullPage: true });
      await page.evaluate(() => document.querySelectorAll("details").forEach((it) => { it.open = true; }));
      for (const it of await violations(page)) all.push({ file, size, colorScheme, ...it });
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
console.log(JSON.stringify({ pages: files.length, violations: all }, null, 2));
process.exit(all.length > 0 || files.length === 0 ? 1 : 0);
