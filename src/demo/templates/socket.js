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
// Messages that were sent before the socket was open, in their order.
const waiting = [];
socket.addEventListener("open", () => {
  say("open");
  for (const text of waiting.splice(0)) socket.send(text);
});
socket.addEventListener("message", (event) => { say(`received: ${event.data}`); });
socket.addEventListener("close", () => {
  say("closed");
  for (const text of waiting.splice(0)) notSent(text);
});
const notSent = (text) => { say(`not sent, because the socket is closed; reload the page: ${text}`); };
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = form.elements.words.value;
  if (socket.readyState === WebSocket.OPEN) socket.send(text);
  else if (socket.readyState === WebSocket.CONNECTING) waiting.push(text);
  else notSent(text);
});
form.hidden = false;
log.hidden = false;
