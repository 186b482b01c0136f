// Looks at every page of `entrada dev`: the emulator's and the demo app's, the latter signed in and not, with what their scripts show.
//
// Usage: NODE_MODULES=FOLDER node dev_pages.mjs ADDRESS [FOLDER_OF_PICTURES]
import assert from "node:assert/strict";
import { everywhere } from "./looking.mjs";

const [address, pictures] = process.argv.slice(2);

/** From a picker that is shown. */
async function pick(page, name) {
  await page.getByRole("button", { name: new RegExp(name) }).click();
}

/** As in a browser that was never here: somebody who signs in over and over within seconds is taken to go round in circles. */
async function signIn(page, name) {
  await page.context().clearCookies();
  await page.goto(`${address}/oauth2/start?prompt=select_account&rd=/`);
  await pick(page, name);
  await page.waitForURL(`${address}/`);
}

/** The emulator, up to the door of the app. */
async function atTheEmulator(page, look) {
  await page.goto(address);
  assert.match(await page.textContent("h1"), /Pick an account/);
  await look(page, "emulator-picker");
  const asked = new URL(page.url());
  const tenant = asked.pathname.split("/")[1];

  await pick(page, "Carla Consent");
  assert.match(await page.textContent("h1"), /Permissions requested/);
  await look(page, "emulator-consent");

  const nobody = new URL(asked);
  nobody.searchParams.set("client_id", "99999999-9999-4999-8999-999999999999");
  assert.equal((await page.goto(nobody.href)).status(), 400);
  await look(page, "emulator-refusal");

  const posts = new URL(asked);
  posts.searchParams.set("response_mode", "form_post");
  // It sends itself; an answer without content leaves it where it is.
  await page.route(`${address}/oauth2/callback`, (route) => route.fulfill({ status: 204 }));
  await page.goto(posts.href);
  await pick(page, "Maya Okafor");
  await page.getByRole("button", { name: "Continue" }).waitFor();
  await look(page, "emulator-form-post");
  await page.unroute(`${address}/oauth2/callback`);

  assert.equal((await page.goto(`${asked.origin}/`)).status(), 200);
  await look(page, "emulator-panel");
  assert.equal((await page.goto(`${asked.origin}/${tenant}/nothing`)).status(), 404);
  await look(page, "emulator-nothing");
  await page.goto(`${asked.origin}/${tenant}/oauth2/v2.0/logout`);
  await look(page, "emulator-signed-out");
}

async function atTheDemo(page, look) {
  const at = async (path, name, status = 200) => {
    assert.equal((await page.goto(address + path)).status(), status, path);
    await look(page, name);
  };
  await at("/public", "public-of-a-stranger");
  await signIn(page, "Maya Okafor");
  await look(page, "start");
  await at("/admin", "admin");
  await at("/public", "public");
  await at("/nothing", "nothing", 404);
  await at("/upload", "upload");
  await page.setInputFiles("input[type=file]", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("heading", { name: /bytes received/ }).waitFor();
  await look(page, "uploaded");

  await page.goto(`${address}/websocket`);
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("#log", { hasText: "Hello" }).waitFor();
  await look(page, "websocket");
  await page.goto(`${address}/stream`);
  await page.waitForFunction(() => document.querySelector("#log").childElementCount > 1);
  await look(page, "events");

  for (const [person, name] of [["Grace Many", "start-with-many-groups"], ["Zoë", "start-beyond-ascii"], ["Ines Duarte", "start-without-mail"]]) {
    await signIn(page, person);
    await look(page, name);
  }
  await at("/admin", "admin-forbidden", 403);
}

await everywhere(pictures, async (context, look) => {
  const page = await context.newPage();
  await atTheEmulator(page, look);
  await atTheDemo(page, look);
});
