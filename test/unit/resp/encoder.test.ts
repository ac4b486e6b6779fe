/** The encoder: exact bytes, what is merged and what goes by reference, and that our decoders read it back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  encodeCommand,
  errorReply,
  integerReply,
  messagePush,
  OK,
  PONG,
  pmessagePush,
  pongReply,
  simpleReply,
  subscriptionReply,
} from "../../../src/resp/encoder.js";
import { bytes, decodeRequests } from "./feed.js";

const text = (parts: Buffer | Buffer[]): string => Buffer.concat([parts].flat()).toString("latin1");

test("encode: a command of bytes, text and numbers", () => {
  const parts = encodeCommand(["SET", bytes("k\xff"), "é", 42, -1.5, ""]);
  assert.equal(parts.length, 1);
  assert.equal(text(parts), "*6\r\n$3\r\nSET\r\n$2\r\nk\xff\r\n$2\r\n\xc3\xa9\r\n$2\r\n42\r\n$4\r\n-1.5\r\n$0\r\n\r\n");
});

test("encode: what is decoded is what was encoded", () => {
  const argument = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)),
    fc.string({ unit: "grapheme", maxLength: 60 }),
    fc.integer(),
    fc.integer({ min: 4090, max: 4100 }).map((n) => Buffer.alloc(n, "z")),
  );
  fc.assert(
    fc.property(fc.array(argument, { minLength: 1, maxLength: 12 }), (args) => {
      const { requests } = decodeRequests([Buffer.concat(encodeCommand(args))]);
      assert.deepEqual(
        requests.map((one) => one.args),
        [args.map((arg) => (Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg))).toString("latin1"))],
      );
    }),
  );
});

test("encode: payloads of 4 KiB and more go by reference, smaller ones are merged", () => {
  const large = Buffer.alloc(4096, "l");
  const small = Buffer.alloc(4095, "s");
  const parts = encodeCommand(["EVALSHA", large, small, large, "x"]);
  assert.equal(parts.length, 5);
  assert.equal(parts[1], large);
  assert.equal(parts[3], large);
  assert.equal(
    text(parts),
    `*5\r\n$7\r\nEVALSHA\r\n$4096\r\n${large}\r\n$4095\r\n${small}\r\n$4096\r\n${large}\r\n$1\r\nx\r\n`,
  );
  assert.equal(encodeCommand(["PUBLISH", "c", small]).length, 1);
});

test("encode: simple replies are one line whatever they are given", () => {
  assert.equal(text(OK), "+OK\r\n");
  assert.equal(text(PONG), "+PONG\r\n");
  assert.equal(text(simpleReply("QUEUED")), "+QUEUED\r\n");
  assert.equal(text(simpleReply("a\r\nb")), "+a  b\r\n");
  assert.equal(
    text(errorReply("ERR Protocol error: invalid bulk length")),
    "-ERR Protocol error: invalid bulk length\r\n",
  );
  assert.equal(text(errorReply("ERR a\r\n+OK")), "-ERR a  +OK\r\n");
  assert.equal(text(integerReply(0)), ":0\r\n");
  assert.equal(text(integerReply(-12)), ":-12\r\n");
  assert.throws(() => integerReply(1.5), RangeError);
});

test("encode: messages", () => {
  const [channel, payload] = [bytes("socketio"), bytes("{}")];
  assert.equal(text(messagePush(false, channel, payload)), "*3\r\n$7\r\nmessage\r\n$8\r\nsocketio\r\n$2\r\n{}\r\n");
  assert.equal(text(messagePush(true, channel, payload)), ">3\r\n$7\r\nmessage\r\n$8\r\nsocketio\r\n$2\r\n{}\r\n");
  assert.equal(
    text(pmessagePush(true, bytes("socketio*"), channel, payload)),
    ">4\r\n$8\r\npmessage\r\n$9\r\nsocketio*\r\n$8\r\nsocketio\r\n$2\r\n{}\r\n",
  );
  const large = Buffer.alloc(12_000);
  assert.equal(messagePush(true, channel, large)[1], large);
});

test("encode: acknowledgements of subscriptions", () => {
  assert.equal(
    text(subscriptionReply(false, "subscribe", bytes("c"), 1)),
    "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
  );
  assert.equal(
    text(subscriptionReply(true, "psubscribe", bytes("c*"), 2)),
    ">3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:2\r\n",
  );
  assert.equal(text(subscriptionReply(false, "unsubscribe", null, 0)), "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
  assert.equal(text(subscriptionReply(true, "punsubscribe", null, 0)), ">3\r\n$12\r\npunsubscribe\r\n_\r\n:0\r\n");
});

test("encode: PONG in each mode", () => {
  assert.equal(text(pongReply(false, false, null)), "+PONG\r\n");
  assert.equal(text(pongReply(false, false, bytes("hi"))), "$2\r\nhi\r\n");
  assert.equal(text(pongReply(false, true, null)), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  assert.equal(text(pongReply(false, true, bytes("hi"))), "*2\r\n$4\r\npong\r\n$2\r\nhi\r\n");
  assert.equal(text(pongReply(true, true, null)), "+PONG\r\n");
  assert.equal(text(pongReply(true, true, bytes("hi"))), "$2\r\nhi\r\n");
});
