// Looks at `entrada dev --organizations`: the demo app with a company, the emulator's panel with its app registrations, and the phone, step by step.
//
// Usage: NODE_MODULES=FOLDER node organizations_pages.mjs ADDRESS PHONE PANEL [FOLDER_OF_PICTURES]
import assert from "node:assert/strict";
import { everywhere } from "./looking.mjs";

const [address, phone, panel, pictures] = process.argv.slice(2);

async function atThePhone(page, look) {
  await page.goto(`${address}/phone`);
  await look(page, "phone-elsewhere");
  await page.getByRole("link", { name: "Open the phone" }).click();
  assert.equal(page.url(), phone);
  await look(page, "phone-begin");
  await page.getByLabel("Username or company code (optional)").fill("fabrikam");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByRole("link", { name: "Open the browser" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: /Felix Fabrikam/ }).click();
  await page.waitForURL(phone);
  for (const step of ["Exchange the code", "Call the app", "Refresh", "Sign out"]) {
    await page.getByRole("button", { name: step }).click();
    await page.getByRole("heading", { name: new RegExp(`. ${step}`) }).waitFor();
  }
  const said = await page.textContent("main");
  assert.match(said, /"x-entrada-role": "worker"/);
  assert.match(said, /"x-entrada-organization": "fabrikam"/);
  assert.ok(!said.includes("Failed"), said);
  await look(page, "phone-walked");
  await page.setExtraHTTPHeaders({ "accept-language": "de" });
  await page.goto(phone);
  await page.getByRole("heading", { name: "7. Abmelden" }).waitFor();
  await look(page, "phone-in-german");
  await page.setExtraHTTPHeaders({});
}

await everywhere(pictures, async (context, look) => {
  const page = await context.newPage();
  await page.goto(`${address}/oauth2/start?organization=contoso`);
  await page.getByRole("button", { name: /Maya Okafor/ }).click();
  await page.waitForURL(`${address}/`);
  await look(page, "start-of-a-company");
  await page.goto(panel);
  await look(page, "panel-with-registrations");
  await atThePhone(page, look);
});
