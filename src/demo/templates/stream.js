"use strict";
const log = document.getElementById("log");
const say = (text) => {
  const line = document.createElement("p");
  line.textContent = text;
  log.prepend(line);
  while (log.childElementCount > 50) log.lastElementChild.remove();
};
const source = new EventSource("/events");
source.addEventListener("message", (event) => {
  const { tick, time } = JSON.parse(event.data);
  say(`tick ${tick}, ${new Date(time * 1000).toLocaleTimeString()}`);
});
source.addEventListener("error", () => { say("connection lost; trying again"); });
log.hidden = false;
