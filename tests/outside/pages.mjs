// Looks at every *.html of a folder.
//
// Usage: NODE_MODULES=FOLDER node pages.mjs FOLDER_OF_HTML [FOLDER_OF_PICTURES]
import { readFileSync, readdirSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { everywhere } from "./looking.mjs";

const [folder, pictures] = process.argv.slice(2);
const files = readdirSync(folder).filter((it) => it.endsWith(".html")).sort();
await everywhere(pictures, async (context, look) => {
  for (const file of files) {
    const page = await context.newPage();
    const address = pathToFileURL(resolve(folder, file)).href;
    // Pages that lead on by themselves are looked at before they do.
    const body = readFileSync(resolve(folder, file), "utf8").replace(/<meta http-equiv="refresh"[^>]*>/g, "");
    const stays = body.replace(/<script>[^<]*location[^<]*<\/script>/g, "");
    await page.route(address, (route) => route.fulfill({ body: stays, contentType: "text/html" }));
    await page.goto(address);
    await look(page, basename(file, ".html"));
    await page.close();
  }
}, { atOnce: true });
