/** Errors that say something of the server are told from all others, however the bytes come; the app gets them as they are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRespLimits } from "../../../src/core/limits.js";
import { Replies } from "../../../src/proxy/replies.js";

function read(chunks: readonly Buffer[], prepare: (replies: Replies) => void = () => {}) {
  const suspected: string[] = [];
  const out: Buffer[] = [];
  const replies = new Replies(defaultRespLimits, {
    write: (bytes) => out.push(bytes),
    idle() {},
    boundary() {},
    suspect: (reason) => suspected.push(reason),
    localSubscriptions: () => 0,
  });
  prepare(replies);
  for (const chunk of chunks) replies.write(chunk);
  return { suspected, out: Buffer.concat(out).toString(), replies };
}

const CASES: readonly [wire: string, suspected: readonly string[]][] = [
  ["-READONLY You can't write against a read only replica.\r\n", ["READONLY"]],
  ["-LOADING Valkey is loading the dataset in memory\r\n", ["LOADING"]],
  ["-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", ["MASTERDOWN"]],
  ["+OK\r\n-READONLY a\r\n:1\r\n-LOADING b\r\n", ["READONLY", "LOADING"]],
  ["-ERR READONLY is not the first word\r\n", []],
  ["-READONLYISH other\r\n", []],
  ["-READ\r\n-LOADIN x\r\n-\r\n", []],
  ["+READONLY no error\r\n$9\r\n-READONLY\r\n", []],
  ["*2\r\n-READONLY inside\r\n-LOADING a reply of EXEC\r\n", []],
  ["-WRONGTYPE a\r\n-READONLY b\r\n", ["READONLY"]],
];

for (const [wire, suspected] of CASES) {
  test(`${JSON.stringify(wire)}: ${suspected.join(", ") || "nothing"}`, () => {
    const bytes = Buffer.from(wire);
    for (const expected of [0, 1, 4]) {
      const whole = read([bytes], (replies) => replies.expect(expected));
      assert.deepEqual(whole.suspected, suspected);
      assert.equal(whole.out, wire);
    }
    const single = [...bytes].map((byte) => Buffer.of(byte));
    assert.deepEqual(read(single).suspected, suspected);
    assert.equal(read(single).out, wire);
    for (let cut = 1; cut < bytes.length; cut++) {
      const halves = read([bytes.subarray(0, cut), bytes.subarray(cut)]);
      assert.deepEqual(halves.suspected, suspected, `cut at ${cut}`);
      assert.equal(halves.out, wire);
    }
  });
}

test("the answer to a question of ours is looked at too, and not shown", () => {
  const own = read([Buffer.from("-LOADING x\r\n+OK\r\n")], (replies) => {
    replies.expectOwn(() => {});
    replies.expect(1);
  });
  assert.deepEqual(own.suspected, ["LOADING"]);
  assert.equal(own.out, "+OK\r\n");
});

test("quiet: nothing owed, nothing begun, nothing said that ends the connection", () => {
  const after = (wire: string, expected = 1) =>
    read([Buffer.from(wire)], (replies) => replies.expect(expected)).replies.quiet;
  assert.equal(after("+OK\r\n"), true);
  assert.equal(after("-ERR unknown command\r\n"), true);
  assert.equal(after("+OK\r\n", 2), false);
  assert.equal(after("+OK\r\n>2\r\n$10\r\ninvali"), false);
  assert.equal(after("+OK\r\n$5\r\nhel"), false);
  assert.equal(after("-ERR Protocol error: unauthenticated multibulk length\r\n"), false);
});

test("while messages are filtered, a reply that comes in parts is whole, and so is what follows it", () => {
  const wire = "$5\r\nhello\r\n+OK\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n";
  for (let cut = 1; cut < wire.length; cut++) {
    const parts = [Buffer.from(wire.slice(0, cut)), Buffer.from(wire.slice(cut))];
    const { out } = read(parts, (replies) => {
      replies.expect(1);
      replies.expectNoted(() => {});
      replies.subscribed = true;
      replies.filtered = true;
    });
    assert.equal(out, wire, `cut at ${cut}`);
  }
});

/** An error and a large value, each judged, before a plain reply; `hidden` is what keeps the error from the app. */
function judge(parts: readonly Buffer[], hidden: boolean) {
  const errors: string[] = [];
  const result = read(parts, (replies) => {
    for (let i = 0; i < 2; i++) {
      replies.expectJudged((error) => {
        errors.push(error.toString());
        return hidden;
      });
    }
    replies.expect(1);
  });
  return { ...result, errors };
}

test("a judged reply: an error is seen whole and may be hidden, any other value passes as it comes", () => {
  const error = "-NOSCRIPT No matching script.\r\n";
  const rest = "*2\r\n$5\r\nhello\r\n:1\r\n+OK\r\n";
  const wire = error + rest;
  for (let cut = 1; cut < wire.length; cut++) {
    for (const hidden of [true, false]) {
      const { out, errors } = judge([Buffer.from(wire.slice(0, cut)), Buffer.from(wire.slice(cut))], hidden);
      assert.equal(out, hidden ? rest : wire, `cut at ${cut}`);
      assert.deepEqual(errors, [error]);
    }
  }
  const begun = judge([Buffer.from(`${error}*2\r\n$5\r\nhel`)], true);
  assert.equal(begun.out, "*2\r\n$5\r\nhel", "what has come of a value is not held back");
  assert.equal(begun.replies.atBoundary, false);
});
