/** ReplyDecoder: every type however cut, malformed input one by one, limits, depth. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LimitError, ProtocolError } from "../../../src/core/errors.js";
import { defaultRespLimits, type RespLimits } from "../../../src/core/limits.js";
import { type Reply, ReplyDecoder, ReplyError, ReplyMap } from "../../../src/resp/reply-decoder.js";
import { byteByByte, bytes, cuts, errorOf, memoryInUse, pieces, tightLimits } from "./feed.js";
import { anyReply, replyCases } from "./reply-cases.js";

function decode(chunks: readonly Buffer[], limits: RespLimits = defaultRespLimits): Reply[] {
  const replies: Reply[] = [];
  const decoder = new ReplyDecoder(limits, (reply) => replies.push(reply));
  for (const chunk of chunks) decoder.write(chunk);
  return replies;
}

for (const { name, input, value } of replyCases) {
  test(`reply: ${name}`, () => {
    const twice = bytes(input + input);
    const check = (chunks: Buffer[]): void => assert.deepEqual(decode(chunks), [value, value]);
    check([twice]);
    check(byteByByte(twice));
    fc.assert(
      fc.property(cuts(twice.length), (at) => check(pieces(twice, at))),
      { numRuns: 40 },
    );
    assert.deepEqual(decode([twice.subarray(0, twice.length - 1)]), [value], "not before its last byte");
  });
}

test("replies: random values, however cut, come out as they were put in", () => {
  fc.assert(
    fc.property(fc.array(anyReply, { maxLength: 4 }), fc.array(fc.nat({ max: 600 }), { maxLength: 10 }), (all, at) => {
      const whole = bytes(all.map((one) => one.input).join(""));
      const values = all.map((one) => one.value);
      assert.deepEqual(decode([whole]), values);
      assert.deepEqual(decode(byteByByte(whole)), values);
      assert.deepEqual(decode(pieces(whole, at)), values);
    }),
    { numRuns: 1500 },
  );
});

const malformed: [name: string, input: string, message: string][] = [
  ["an unknown type", "HTTP/1.1 400 Bad Request\r\n", "unknown reply type 0x48"],
  ["a CR without LF", "+OK\rX", "expected LF behind CR"],
  ["an integer with letters", ":12a4\r\n", "invalid integer"],
  ["an empty integer", ":\r\n", "invalid integer"],
  ["a lone minus for an integer", ":-\r\n", "invalid integer"],
  ["a long integer with letters", ":123456789012345678x\r\n", "invalid integer"],
  ["an integer beyond 64 bits", ":9223372036854775808\r\n", "invalid integer"],
  ["a bulk length with letters", "$12a4\r\n", "invalid bulk length"],
  ["a negative bulk length", "$-2\r\n", "invalid bulk length"],
  ["an array count with letters", "*1x\r\n", "invalid multibulk length"],
  ["a negative array count", "*-2\r\n", "invalid multibulk length"],
  ["a null map", "%-1\r\n", "invalid multibulk length"],
  ["an endless count", `*${"1".repeat(70_000)}`, "too big mbulk count string"],
  ["an endless length", `$${"1".repeat(70_000)}`, "too big bulk count string"],
  ["a bulk that ends in LF and no CR", "$2\r\nabX\n", "expected CRLF behind a bulk string"],
  ["a bulk that ends in CR and no LF", "$2\r\nab\rX", "expected CRLF behind a bulk string"],
  ["a bulk longer than it says", "$2\r\nabc\r\n", "expected CRLF behind a bulk string"],
  ["a boolean of another letter", "#x\r\n", "invalid boolean"],
  ["a null with a text", "_0\r\n", "invalid null"],
  ["a double with letters", ",1.5x\r\n", "invalid double"],
  ["an empty double", ",\r\n", "invalid double"],
  ["a big number with a fraction", "(1.5\r\n", "invalid big number"],
  ["a verbatim string without format", "=3\r\ntxt\r\n", "invalid bulk length"],
  ["a verbatim string without colon", "=5\r\ntxt-a\r\n", "invalid verbatim string"],
  ["a streamed string", "$?\r\n", "streamed types are not supported"],
  ["a streamed array", "*?\r\n", "streamed types are not supported"],
];

for (const [name, input, message] of malformed) {
  test(`malformed reply: ${name}`, () => {
    for (const chunks of [[bytes(`+OK\r\n${input}`)], [bytes("+OK\r\n"), ...byteByByte(bytes(input))]]) {
      const replies: Reply[] = [];
      const decoder = new ReplyDecoder(defaultRespLimits, (reply) => replies.push(reply));
      const error = errorOf(() => {
        for (const chunk of chunks) decoder.write(chunk);
      });
      assert.ok(error instanceof ProtocolError);
      assert.equal(error.message, message);
      assert.deepEqual(replies, ["OK"]);
      assert.equal(
        errorOf(() => decoder.write(bytes("+OK\r\n"))),
        error,
        "the error is sticky",
      );
    }
  });
}

const overLimit: [name: string, input: string, limit: string, message: string][] = [
  ["a bulk", "$65\r\n", "maxBulkBytes", "a reply of 65 bytes is over maxBulkBytes (64)"],
  ["a bulk error", "!65\r\n", "maxBulkBytes", "a reply of 65 bytes is over maxBulkBytes (64)"],
  ["an array's elements", "*9\r\n", "maxArgs", "a reply of 9 elements is over maxArgs (8)"],
  ["an array of 10^11", "*99999999999\r\n", "maxArgs", "a reply of 99999999999 elements is over maxArgs (8)"],
  ["a map's pairs", "%9\r\n", "maxArgs", "a reply of 9 elements is over maxArgs (8)"],
  ["nesting", "*1\r\n".repeat(5), "maxDepth", "a reply is nested deeper than maxDepth (4)"],
  ["attributes in attributes", "|1\r\n".repeat(5), "maxDepth", "a reply is nested deeper than maxDepth (4)"],
  ["a line", `+${"x".repeat(48)}`, "maxLineBytes", "a reply line is over maxLineBytes (48)"],
];

for (const [name, input, limit, message] of overLimit) {
  test(`reply over the limit: ${name}`, () => {
    for (const chunks of [[bytes(input)], byteByByte(bytes(input))]) {
      const error = errorOf(() => decode(chunks, tightLimits));
      assert.ok(error instanceof LimitError);
      assert.equal(error.limit, limit);
      assert.equal(error.message, message);
    }
  });
}

test("replies: 50,000 nested arrays are an error, not a crash", () => {
  const deep = bytes("*1\r\n".repeat(50_000));
  for (const chunks of [[deep], byteByByte(deep)]) {
    const error = errorOf(() => decode(chunks));
    assert.ok(error instanceof LimitError);
    assert.equal(error.limit, "maxDepth");
  }
});

test("replies: 50,000 nested arrays decode where the limit allows it", () => {
  const deep = bytes(`${"*1\r\n".repeat(50_000)}:7\r\n`);
  let value = decode([deep], { ...defaultRespLimits, maxDepth: 50_000 })[0];
  for (let i = 0; i < 50_000; i++) value = (value as Reply[])[0];
  assert.equal(value, 7);
});

test("replies: a header that announces much allocates nothing", () => {
  const before = memoryInUse();
  const decoders = Array.from({ length: 200 }, () => {
    const decoder = new ReplyDecoder(defaultRespLimits, () => assert.fail("nothing is complete"));
    decoder.write(bytes("*1048576\r\n$67108864\r\nx"));
    return decoder;
  });
  const grown = memoryInUse() - before;
  assert.ok(grown < 200 * 8192, `${grown} bytes for ${decoders.length} decoders`);
});

test("replies: a bulk within one chunk is a view of it, one over chunks has its own memory", () => {
  const whole = bytes("$5\r\nhello\r\n");
  const view = decode([whole])[0] as Buffer;
  assert.equal(view.buffer, whole.buffer);
  const parts = pieces(whole, [6]);
  const joined = decode(parts)[0] as Buffer;
  for (const part of parts) part.fill(0x21);
  assert.equal(joined.toString(), "hello");
});

test("replies: an error's code is its first word; a map is read by text", () => {
  assert.equal(new ReplyError("NOSCRIPT No matching script.").code, "NOSCRIPT");
  assert.equal(new ReplyError("LOADING").code, "LOADING");
  const map = decode([bytes("%2\r\n$5\r\nproto\r\n:3\r\n+mode\r\n$10\r\nstandalone\r\n")])[0] as ReplyMap;
  assert.ok(map instanceof ReplyMap);
  assert.equal(map.get("proto"), 3);
  assert.deepEqual(map.get("mode"), bytes("standalone"));
  assert.equal(map.get("absent"), undefined);
});
