// A person in front of an app of a phone or a command line: opens the page that the app opens, signs in at the emulator, and goes wherever that leads.
//
// Usage: node native_person.mjs ADDRESS [PERSON]
import { argv } from "node:process";
import { pathToFileURL } from "node:url";

/** Follows redirects as a browser does, up to a page or to `stop`; gives the last address and its page. */
export async function signsIn(address, person = "Maya", stop = undefined) {
  const jar = new Map();
  const goes = async (url, form) => {
    for (let at = 0; at < 20; at += 1) {
      if (stop !== undefined && url.href.startsWith(stop)) return { url, text: "" };
      const cookies = [...(jar.get(url.hostname) ?? new Map())].map((it) => it.join("=")).join("; ");
      const headers = { Accept: "text/html", "Sec-Fetch-Mode": "navigate", Cookie: cookies };
      if (form !== undefined) Object.assign(headers, { Origin: url.origin, "Sec-Fetch-Site": "same-origin" });
      const answer = await fetch(url, { method: form === undefined ? "GET" : "POST", body: form, headers, redirect: "manual" });
      const kept = jar.get(url.hostname) ?? new Map();
      for (const line of answer.headers.getSetCookie()) kept.set(...line.split(";")[0].split(/=(.*)/s).slice(0, 2));
      jar.set(url.hostname, kept);
      if (![301, 302, 303].includes(answer.status)) return { url, text: await answer.text() };
      url = new URL(answer.headers.get("location"), url);
      form = undefined;
    }
    throw new Error(`twenty redirects, the last to ${url}`);
  };
  let shown = await goes(new URL(address));
  // On loopback a page asks first whether one wants to sign in to that app.
  if (shown.text.includes('name="choice" value="continue"')) shown = await goes(shown.url, new URLSearchParams({ choice: "continue" }));
  const match = (what) => (shown.text.match(what) ?? [undefined, undefined])[1];
  const [transaction, oid] = [match(/name="transaction" value="([^"]+)"/), match(new RegExp(`name="person" value="([^"]+)">${person}`))];
  if (oid === undefined) throw new Error(`${person} is not asked at ${shown.url}: ${shown.text}`);
  const action = new URL(match(/action="([^"]+)"/).replaceAll("&#x2f;", "/"), shown.url);
  return goes(action, new URLSearchParams({ transaction, person: oid }));
}

if (import.meta.url === pathToFileURL(argv[1]).href) await signsIn(argv[2], argv[3]);
