/**
 * RequestDecoder on malformed input: one per test, with the exact error. Where Redis has words for it, ours are the
 * same (compared with Redis 7.0.15); a CR without LF, a bulk without CRLF and a NUL it lets pass or waits on for ever.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { LimitError, ProtocolError } from "../../../src/core/errors.js";
import { defaultRespLimits } from "../../../src/core/limits.js";
import { Command } from "../../../src/resp/command.js";
import { RequestDecoder } from "../../../src/resp/request.js";
import { byteByByte, bytes, decodeRequests, errorOf, memoryInUse, request, tightLimits } from "./feed.js";

const malformed: [name: string, input: string, message: string][] = [
  ["letters for a count", "*abc\r\n", "invalid multibulk length"],
  ["digits and letters for a count", "*12a4\r\n", "invalid multibulk length"],
  ["no count", "*\r\n", "invalid multibulk length"],
  ["a count with a plus", "*+1\r\n", "invalid multibulk length"],
  ["a count with a leading zero", "*01\r\n", "invalid multibulk length"],
  ["a count of minus zero", "*-0\r\n", "invalid multibulk length"],
  ["a lone minus", "*-\r\n", "invalid multibulk length"],
  ["two minuses", "*--1\r\n", "invalid multibulk length"],
  ["a blank before a count", "* 1\r\n", "invalid multibulk length"],
  ["a count beyond 32 bits", "*99999999999\r\n", "invalid multibulk length"],
  ["a count beyond 64 bits", "*99999999999999999999\r\n", "invalid multibulk length"],
  ["an endless count", `*${"1".repeat(70_000)}`, "too big mbulk count string"],
  ["a count that ends in CR alone", "*1\rX", "invalid multibulk length"],
  ["a simple string for an argument", "*1\r\n+PING\r\n", "expected '$', got '+'"],
  ["a nested array", "*1\r\n*1\r\n", "expected '$', got '*'"],
  ["a blank line for an argument", "*1\r\n\r\n", "expected '$', got ' '"],
  ["a control character for an argument", "*1\r\n\x01\r\n", "expected '$', got '\\x01'"],
  ["a null argument", "*1\r\n$-1\r\n", "invalid bulk length"],
  ["letters for a length", "*1\r\n$abc\r\n", "invalid bulk length"],
  ["digits and letters for a length", "*1\r\n$12a4\r\n", "invalid bulk length"],
  ["no length", "*1\r\n$\r\n", "invalid bulk length"],
  ["a length with a leading zero", "*1\r\n$04\r\nPING\r\n", "invalid bulk length"],
  ["a length that ends in LF alone", "*1\r\n$4\nPING\r\n", "invalid bulk length"],
  ["a length beyond 64 bits", "*1\r\n$99999999999999999999\r\n", "invalid bulk length"],
  ["a length over Redis's own limit", "*1\r\n$536870913\r\n", "invalid bulk length"],
  ["a length of a terabyte", "*1\r\n$1099511627776\r\n", "invalid bulk length"],
  ["an endless length", `*1\r\n$${"1".repeat(70_000)}`, "too big bulk count string"],
  ["an argument longer than it says", "*1\r\n$4\r\nPINGS\r\n", "expected CRLF behind a bulk string"],
  ["an argument that ends in CR and no LF", "*1\r\n$4\r\nPING\rX", "expected CRLF behind a bulk string"],
  ["an argument that ends in LF and no CR", "*1\r\n$4\r\nPINGX\n", "expected CRLF behind a bulk string"],
  ["an endless inline request", "x".repeat(70_000), "too big inline request"],
  ["an open double quote", 'PING "a\r\n', "unbalanced quotes in request"],
  ["an open single quote", "PING 'a\r\n", "unbalanced quotes in request"],
  ["a word behind a double quote", 'PING "a"b\r\n', "unbalanced quotes in request"],
  ["a word behind a single quote", "PING 'a'b\r\n", "unbalanced quotes in request"],
  ["an escaped closing quote", 'PING "a\\"\r\n', "unbalanced quotes in request"],
  ["a backslash at the end of a double quote", 'PING "\\\r\n', "unbalanced quotes in request"],
  ["a NUL in an inline request", "PING\0\r\n", "NUL byte in inline request"],
];

for (const [name, input, message] of malformed) {
  test(`malformed request: ${name}`, () => {
    for (const chunks of [[bytes(input)], byteByByte(bytes(input))]) {
      const decoder = new RequestDecoder(defaultRespLimits);
      const error = errorOf(() => {
        for (const chunk of [bytes(request("PING")), ...chunks]) {
          decoder.write(chunk);
          while (decoder.next()) assert.equal(decoder.command, Command.Ping);
        }
      });
      assert.ok(error instanceof ProtocolError);
      assert.equal(error.message, message);
      assert.equal(
        errorOf(() => decoder.next()),
        error,
        "the error is sticky",
      );
      assert.equal(
        errorOf(() => decoder.write(bytes(request("PING")))),
        error,
      );
    }
  });
}

const overLimit: [name: string, input: string, limit: string, message: string][] = [
  ["a bulk over maxBulkBytes", "*1\r\n$65\r\n", "maxBulkBytes", "an argument of 65 bytes is over maxBulkBytes (64)"],
  [
    "a bulk of the most that Redis takes",
    "*1\r\n$536870912\r\n",
    "maxBulkBytes",
    "an argument of 536870912 bytes is over maxBulkBytes (64)",
  ],
  ["a request over maxArgs", "*9\r\n", "maxArgs", "a request of 9 arguments is over maxArgs (8)"],
  ["a count of 2^31 - 1", "*2147483647\r\n", "maxArgs", "a request of 2147483647 arguments is over maxArgs (8)"],
];

for (const [name, input, limit, message] of overLimit) {
  test(`over the limit, at the header: ${name}`, () => {
    for (const chunks of [[bytes(input)], byteByByte(bytes(input))]) {
      const decoder = new RequestDecoder(tightLimits);
      const error = errorOf(() => {
        for (const chunk of chunks) {
          decoder.write(chunk);
          decoder.next();
        }
      });
      assert.ok(error instanceof LimitError);
      assert.equal(error.limit, limit);
      assert.equal(error.message, message);
      assert.equal(
        errorOf(() => decoder.next()),
        error,
      );
    }
  });
}

test("exactly at the limits passes", () => {
  const input = request(..."1234567", "x".repeat(64));
  const seen = decodeRequests([bytes(input)], tightLimits);
  assert.equal(seen.error, undefined);
  assert.equal(seen.requests.length, 1);
  const inline = "x".repeat(tightLimits.maxLineBytes);
  assert.equal(decodeRequests([bytes(`${inline}\n`)], tightLimits).requests.length, 1);
  assert.equal(decodeRequests([bytes(`${inline}x\n`)], tightLimits).error, "too big inline request");
});

test("a header that announces much costs nothing until the bytes come", () => {
  const before = memoryInUse();
  const decoders = Array.from({ length: 500 }, () => {
    const decoder = new RequestDecoder(defaultRespLimits);
    decoder.write(bytes(`*1048576\r\n$7\r\nPUBLISH\r\n$${64 * 1024 * 1024}\r\nx`));
    assert.equal(decoder.next(), false);
    return decoder;
  });
  const grown = memoryInUse() - before;
  assert.ok(grown < 500 * 8192, `${grown} bytes for ${decoders.length} decoders`);
});
