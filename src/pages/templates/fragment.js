const start = new URL(document.querySelector("a.button").href);
const wanted = start.searchParams.get("rd") ?? "/";
if (location.hash.length > 1 && !wanted.includes("#")) {
  start.searchParams.set("rd", wanted + location.hash);
}
location.replace(start);
