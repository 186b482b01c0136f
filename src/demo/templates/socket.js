"use strict";
const form = document.getElementById("talk");
const log = document.getElementById("log");
const say = (text) => {
  const line = document.createElement("p");
  line.textContent = text;
  log.prepend(line);
  while (log.childElementCount > 50) log.lastElementChild.remove();
};
const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
socket.addEventListener("open", () => { say("open"); });
socket.addEventListener("message", (event) => { say(`received: ${event.data}`); });
socket.addEventListener("close", () => { say("closed"); });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState === WebSocket.OPEN) socket.send(form.elements.words.value);
});
form.hidden = false;
log.hidden = false;
