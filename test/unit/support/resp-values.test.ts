/** The oracle itself: every RESP type, whole and byte by byte, and what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeRequest, NaiveDecoder, plain, RespPush } from "../../support/resp-values.js";

const table: [bytes: string, expected: unknown][] = [
  ["+OK\r\n", "OK"],
  ["-ERR no\r\n", "-ERR no"],
  [":-12\r\n", -12],
  [":9223372036854775807\r\n", 9223372036854775807n],
  ["$0\r\n\r\n", ""],
  ["$5\r\na\r\nb\n\r\n", "a\r\nb\n"],
  ["$-1\r\n", null],
  ["*-1\r\n", null],
  ["*0\r\n", []],
  ["*2\r\n$1\r\na\r\n*1\r\n:1\r\n", ["a", [1]]],
  ["_\r\n", null],
  ["#t\r\n", true],
  ["#f\r\n", false],
  [",1.5\r\n", 1.5],
  [",-inf\r\n", -Infinity],
  ["(12345678901234567890\r\n", 12345678901234567890n],
  ["!3\r\nERR\r\n", "-ERR"],
  ["=7\r\ntxt:abc\r\n", "abc"],
  ["%1\r\n+k\r\n:1\r\n", ["k", 1]],
  ["~2\r\n:1\r\n:2\r\n", [1, 2]],
  [">2\r\n+message\r\n$1\r\nx\r\n", { push: ["message", "x"] }],
  ["|1\r\n+ttl\r\n:3\r\n+OK\r\n", "OK"],
];
const all = Buffer.from(table.map(([bytes]) => bytes).join(""));
const expected = table.map(([, value]) => value);

test("reads every type in one piece", () => {
  assert.deepEqual(new NaiveDecoder().write(all).map(plain), expected);
});

test("reads every type byte by byte", () => {
  const decoder = new NaiveDecoder();
  const values = [...all].flatMap((_, at) => decoder.write(all.subarray(at, at + 1)));
  assert.deepEqual(values.map(plain), expected);
  assert.equal(decoder.atBoundary, true);
});

test("a push is told from an array", () => {
  assert.ok(new NaiveDecoder().write(Buffer.from(">1\r\n+x\r\n"))[0] instanceof RespPush);
});

test("refuses a byte that begins no type, and a bulk string without its end", () => {
  assert.throws(() => new NaiveDecoder().write(Buffer.from("?1\r\n")));
  assert.throws(() => new NaiveDecoder().write(Buffer.from("$1\r\nabc")));
});

test("a request is an array of bulk strings", () => {
  assert.equal(
    encodeRequest(["SET", Buffer.from([0xff]), 12]).toString("latin1"),
    "*3\r\n$3\r\nSET\r\n$1\r\n\xff\r\n$2\r\n12\r\n",
  );
});
