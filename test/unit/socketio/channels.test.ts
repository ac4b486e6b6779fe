/** Which channels and patterns are taken into the frame plane, and which names nobody else may use. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  baseOf,
  DEFAULT_CHANNELS,
  FrameChannels,
  isReserved,
  patternMayMatchReserved,
  sideChannel,
} from "../../../src/socketio/channels.js";

const channels = new FrameChannels(DEFAULT_CHANNELS);
const b = (text: string): Buffer => Buffer.from(text);

function table(what: string, rows: Record<string, boolean>, ask: (name: Buffer) => boolean): void {
  describe(what, () => {
    for (const [name, answer] of Object.entries(rows)) {
      test(`${JSON.stringify(name)}: ${answer}`, () => assert.equal(ask(b(name)), answer));
    }
  });
}

table(
  "frame channels",
  {
    socketio: true,
    "socketio#/#user:1": true,
    "socketio#": true,
    "socket.io#/#": true,
    "socket.io#/#room#": true,
    socketi: false,
    socketio2: false,
    "socket.io": false,
    "socket.io-request#/#": false,
    "socket.io-response#/#": false,
    "open-webui:tasks:commands": false,
    "": false,
    "~kf1~socketio": false,
    "xsocketio#": false,
  },
  (name) => channels.matches(name),
);

table(
  "patterns that the local broker can serve",
  {
    "socketio#*": true,
    "socketio#/#user:*": true,
    "socketio#/#[ab]": true,
    "socket.io#/#*": true,
    "socket\\.io#/#*": true,
    socketio: true,
    "s\\ocketio": true,
    "socketio#/#a": true,
    "socketio*": false,
    "socketi?": false,
    "socket?io#/#*": false,
    "*": false,
    "socketio[#]*": false,
    "__keyspace@0__:*": false,
    "": false,
    socketio2: false,
  },
  (pattern) => channels.servesPattern(pattern),
);

table(
  "patterns that might match a channel of ours",
  {
    "*": true,
    "~*": true,
    "~kf": true,
    "~kf1~socketio": true,
    "?kf*": true,
    "[~]kf*": true,
    "[^a]*": true,
    "\\~\\k\\f*": true,
    "???": true,
    "*socketio": true,
    "~k": false,
    "??": false,
    "": false,
    "~kg*": false,
    "[^~]*": false,
    "socketio#*": false,
    "a*": false,
    "\\*": false,
  },
  patternMayMatchReserved,
);

table(
  "reserved names",
  { "~kf": true, "~kf1~x": true, "~kf2~x": true, "~k": false, socketio: false, "": false },
  isReserved,
);

describe("an entry that covers everything", () => {
  const all = new FrameChannels(["*"]);
  test("does not cover our own channels", () => {
    assert.equal(all.matches(b("anything")), true);
    assert.equal(all.matches(b("~kf1~anything")), false);
    assert.equal(all.servesPattern(b("any*")), true);
    assert.equal(all.servesPattern(b("*")), false);
  });
});

describe("side channels", () => {
  test("and back", () => {
    const side = sideChannel(b("socketio#/#user:1"));
    assert.equal(side.toString(), "~kf1~socketio#/#user:1");
    assert.equal(baseOf(side)?.toString(), "socketio#/#user:1");
    assert.equal(isReserved(side), true);
  });
  test("an inbox and foreign names have no base", () => {
    assert.equal(baseOf(b("~kf1~in~0123456789ab.3")), null);
    assert.equal(baseOf(b("~kf2~socketio")), null);
    assert.equal(baseOf(b("socketio")), null);
    assert.equal(baseOf(b("~kf1")), null);
  });
});
