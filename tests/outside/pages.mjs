// Looks at every *.html of a folder.
//
// Usage: NODE_MODULES=FOLDER node pages.mjs FOLDER_OF_HTML [FOLDER_OF_PICTURES]
import { readdirSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { everywhere } from "./looking.mjs";

const [folder, pictures] = process.argv.slice(2);
const files = readdirSync(folder).filter((it) => it.endsWith(".html")).sort();
await everywhere(pictures, async (context, look) => {
  for (const file of files) {
    const page = await context.newPage();
    await page.goto(pathToFileURL(resolve(folder, file)).href);
    await look(page, basename(file, ".html"));
    await page.close();
  }
});
