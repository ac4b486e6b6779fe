/** The room of one user in a frame: found where it is certain, and nowhere else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nameFrame, newFrameName } from "../../../src/socketio/dialect.js";
import { isUserRoom, SHARED_CHANNEL, userRoom } from "../../../src/socketio/rooms.js";

const name = newFrameName();

function roomOf(payload: Buffer | string): string | undefined {
  const bytes = Buffer.from(payload);
  nameFrame(SHARED_CHANNEL, bytes, name);
  return name.roomEnd === 0 ? undefined : bytes.toString("utf8", name.roomAt, name.roomEnd);
}

/** A frame with these values, as JSON, in its address. */
function frame(room: string, namespace = '"/"', method = "emit", compact = false): string {
  const text =
    `{"method": "${method}", "event": "events", "data": [{"chat_id": "c"}], "namespace": ${namespace}, ` +
    `"room": ${room}, "skip_sid": null, "callback": null, "host_id": "h"}`;
  return compact ? text.replaceAll(/([,:]) /g, "$1") : text;
}

test("a user's room, in both ways of writing", () => {
  for (const compact of [false, true]) {
    assert.equal(roomOf(frame('"user:1a2b-3c"', '"/"', "emit", compact)), "user:1a2b-3c");
    assert.equal(roomOf(frame('"user:äöü 中"', '"/"', "emit", compact)), "user:äöü 中");
  }
});

test("what is not one user's, or not certain", () => {
  for (const room of [
    "null",
    '"channel:1"',
    '"user:"',
    '"users:1"',
    '["user:1"]',
    '["user:1", "user:2"]',
    '"user:\\u0041"',
    '"user:\\"x"',
  ])
    assert.equal(roomOf(frame(room)), undefined, room);
  assert.equal(roomOf(frame('"user:1"', '"/other"')), undefined);
  assert.equal(roomOf(frame('"user:1"', "null")), undefined);
  for (const method of ["enter_room", "leave_room", "disconnect", "callback"])
    assert.equal(roomOf(frame('"user:1"', '"/"', method)), undefined, method);
  assert.equal(roomOf('{"method": "emit"}'), undefined);
  assert.equal(roomOf(Buffer.from([0x80, 4])), undefined);
});

test("a frame cut off anywhere has no room, and leaves none behind", () => {
  const whole = frame('"user:1"');
  for (let length = 0; length < whole.length; length++) {
    assert.equal(roomOf(whole), "user:1");
    assert.equal(roomOf(whole.slice(0, length)), undefined, `${length} bytes`);
  }
});

test("a room is known by the same bytes that the session's id gives, or it is not known", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), fc.boolean(), (id, ascii) => {
      const quoted = JSON.stringify(`user:${id}`);
      const written = ascii
        ? quoted.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        : quoted;
      const found = roomOf(frame(written));
      const expected = userRoom(id);
      assert.ok(found === undefined || Buffer.from(found).equals(expected));
      if (!written.includes("\\")) assert.ok(isUserRoom(expected, 0, expected.length) && found !== undefined);
    }),
  );
});
