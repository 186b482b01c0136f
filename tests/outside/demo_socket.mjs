// Runs the script of the demo's WebSocket page against a page and a socket that the test controls: what is typed is sent or reported, whatever
// state the socket is in.
//
// Usage: node demo_socket.mjs SCRIPT
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";

const script = readFileSync(process.argv[2], "utf8");

/** A page with the script on it. */
function page() {
  const listeners = { socket: {}, form: {} };
  const lines = [];
  const sent = [];
  class WebSocket {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSED = 3;
    readyState = WebSocket.CONNECTING;
    constructor() { socket = this; }
    addEventListener(name, listener) { listeners.socket[name] = listener; }
    send(text) {
      assert.equal(this.readyState, WebSocket.OPEN);
      sent.push(text);
    }
  }
  let socket;
  const words = { value: "" };
  const log = { prepend: (line) => lines.push(line.textContent), childElementCount: 0 };
  const form = { elements: { words }, addEventListener: (name, listener) => { listeners.form[name] = listener; } };
  const document = { getElementById: (id) => ({ talk: form, log })[id], createElement: () => ({}) };
  runInNewContext(script, { document, location: { protocol: "http:", host: "localhost" }, WebSocket });
  const becomes = (state, event) => {
    socket.readyState = state;
    listeners.socket[event]({});
  };
  return {
    lines,
    sent,
    opens: () => becomes(WebSocket.OPEN, "open"),
    closes: () => becomes(WebSocket.CLOSED, "close"),
    submits(text) {
      words.value = text;
      let isPrevented = false;
      listeners.form.submit({ preventDefault: () => { isPrevented = true; } });
      assert.ok(isPrevented);
    },
  };
}

const early = page();
early.submits("one");
early.submits("two");
assert.deepEqual(early.sent, []);
early.opens();
assert.deepEqual(early.sent, ["one", "two"], "what was sent early goes out when the socket opens");
early.submits("three");
assert.deepEqual(early.sent, ["one", "two", "three"]);

early.closes();
early.submits("four");
assert.equal(early.sent.length, 3);
assert.match(early.lines.at(-1), /not sent.*four/);

const refused = page();
refused.submits("five");
refused.closes();
assert.deepEqual(refused.sent, []);
assert.match(refused.lines.at(-1), /not sent.*five/);
