// Looks at every *.html of a folder.
//
// Usage: NODE_MODULES=FOLDER node pages.mjs FOLDER_OF_HTML [FOLDER_OF_PICTURES]
import { readFileSync, readdirSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { everywhereAtOnce } from "./looking.mjs";

const [folder, pictures] = process.argv.slice(2);
const files = readdirSync(folder).filter((it) => it.endsWith(".html")).sort();

/** Pages that lead on by themselves are looked at before they do. */
function staying(file) {
  const body = readFileSync(file, "utf8").replace(/<meta http-equiv="refresh"[^>]*>/g, "");
  return body.replace(/<script>[^<]*location[^<]*<\/script>/g, "");
}

/** Opens each of these files in one tab: a new one for each takes longer than the look. */
const visit = (files) => async (context, look) => {
  const page = await context.newPage();
  await page.route("file://**/*.html", (route) =>
    route.fulfill({ body: staying(fileURLToPath(route.request().url())), contentType: "text/html" }));
  for (const file of files) {
    await page.goto(pathToFileURL(resolve(folder, file)).href);
    await look(page, basename(file, ".html"));
  }
};

// Two at once: more gain nothing on two processors.
await everywhereAtOnce(pictures, ...[0, 1].map((half) => visit(files.filter((_, at) => at % 2 === half))));
