/** RequestDecoder on well-formed input, in every way it can be cut, and against its naive twin on any input. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { defaultRespLimits } from "../../../src/core/limits.js";
import { Command } from "../../../src/resp/command.js";
import { RequestDecoder } from "../../../src/resp/request.js";
import { byteByByte, bytes, cuts, decodeRequests, noteRequest, pieces, request, tightLimits } from "./feed.js";
import { twinRequests } from "./twin.js";

interface Case {
  name: string;
  input: string;
  /** Each request's command and arguments. */
  requests: [command: number, ...args: string[]][];
  pendingBytes?: number;
}

const cases: Case[] = [
  { name: "one argument", input: request("PING"), requests: [[Command.Ping, "PING"]] },
  { name: "several arguments", input: request("set", "k", "v"), requests: [[Command.Other, "set", "k", "v"]] },
  {
    name: "a pipeline",
    input: request("GET", "a") + request("pUbLiSh", "c", "p") + request("EXEC"),
    requests: [
      [Command.Other, "GET", "a"],
      [Command.Publish, "pUbLiSh", "c", "p"],
      [Command.Exec, "EXEC"],
    ],
  },
  { name: "an empty argument", input: request("PING", ""), requests: [[Command.Ping, "PING", ""]] },
  { name: "an empty name", input: request(""), requests: [[Command.Other, ""]] },
  {
    name: "bytes that look like the protocol",
    input: request("PUBLISH", "c\r\n", "*1\r\n$4\r\nPING\r\n"),
    requests: [[Command.Publish, "PUBLISH", "c\r\n", "*1\r\n$4\r\nPING\r\n"]],
  },
  {
    name: "every byte value",
    input: request("GET", String.fromCharCode(...Array(256).keys())),
    requests: [[Command.Other, "GET", String.fromCharCode(...Array(256).keys())]],
  },
  { name: "a long name", input: request("X".repeat(300)), requests: [[Command.Other, "X".repeat(300)]] },
  {
    name: "lengths of one to five digits",
    input: request("GET", ..."9,10,99,100,999,1000,10000".split(",").map((n) => "x".repeat(Number(n)))),
    requests: [[Command.Other, "GET", ..."9,10,99,100,999,1000,10000".split(",").map((n) => "x".repeat(Number(n)))]],
  },
  {
    name: "more arguments than the table has room for at first",
    input: request("DEL", ...Array.from({ length: 700 }, (_, i) => `key:${i}`)),
    requests: [[Command.Other, "DEL", ...Array.from({ length: 700 }, (_, i) => `key:${i}`)]],
  },
  { name: "empty arrays", input: "*0\r\n*-1\r\n*-10\r\n", requests: [[Command.None], [Command.None], [Command.None]] },
  { name: "blank lines", input: "\r\n\n \t\r\n", requests: [[Command.None], [Command.None], [Command.None]] },
  {
    name: "an empty request between others",
    input: `*0\r\n${request("PING")}\r\n${request("PING")}`,
    requests: [[Command.None], [Command.Ping, "PING"], [Command.None], [Command.Ping, "PING"]],
  },
  { name: "inline", input: "ping\r\n", requests: [[Command.Ping, "ping"]] },
  { name: "inline, LF alone", input: "SET a b\n", requests: [[Command.Other, "SET", "a", "b"]] },
  { name: "inline, blanks around", input: "\v SET\ta   b \r\r\n", requests: [[Command.Other, "SET", "a", "b"]] },
  {
    name: "inline, double quotes",
    input: 'PUBLISH "a b" "\\x41\\n\\t\\r\\b\\a\\"\\\\\\q\\xzz\\x4" "\\x40\\x0A\\x00"\r\n',
    requests: [[Command.Publish, "PUBLISH", "a b", 'A\n\t\r\b\x07"\\qxzzx4', "@\n\0"]],
  },
  {
    name: "inline, single quotes",
    input: "PING 'a \\'b\\' \\n \"'\r\n",
    requests: [[Command.Ping, "PING", "a 'b' \\n \""]],
  },
  { name: "inline, a quote within a word", input: 'PING ab"c d" \r\n', requests: [[Command.Ping, "PING", "abc d"]] },
  { name: "inline, an empty argument", input: 'PING ""\r\n', requests: [[Command.Ping, "PING", ""]] },
  { name: "inline, form feed within a word", input: "PING a\fb\r\n", requests: [[Command.Ping, "PING", "a\fb"]] },
  {
    name: "inline among arrays",
    input: `${request("PING")}QUIT\r\n${request("PING")}`,
    requests: [
      [Command.Ping, "PING"],
      [Command.Quit, "QUIT"],
      [Command.Ping, "PING"],
    ],
  },
  { name: "half a header", input: "*3", requests: [], pendingBytes: 2 },
  {
    name: "half a request",
    input: `${request("PING")}*2\r\n$3\r\nGET\r\n$5\r\nab`,
    requests: [[Command.Ping, "PING"]],
    pendingBytes: 19,
  },
  { name: "all but the last byte", input: request("GET", "a").slice(0, -1), requests: [], pendingBytes: 19 },
  { name: "half an inline line", input: "PING he", requests: [], pendingBytes: 7 },
  { name: "nothing", input: "", requests: [] },
];

for (const { name, input, requests, pendingBytes = 0 } of cases) {
  test(`requests: ${name}`, () => {
    const check = (chunks: Buffer[]): void => {
      const seen = decodeRequests(chunks);
      assert.equal(seen.error, undefined);
      assert.deepEqual(
        seen.requests.map(({ command, args }) => [command, ...args]),
        requests,
      );
      assert.equal(seen.pendingBytes, pendingBytes);
      const raw = seen.requests.map((one) => one.raw).join("");
      assert.equal(raw, input.slice(0, input.length - pendingBytes), "raw() gives every byte back");
    };
    const whole = bytes(input);
    check([whole]);
    check(byteByByte(whole));
    fc.assert(
      fc.property(cuts(whole.length), (at) => check(pieces(whole, at))),
      { numRuns: 60 },
    );
  });
}

/** Streams of requests with something broken in them now and then. */
const fragment = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(fc.string({ unit: "binary-ascii", maxLength: 20 }), { minLength: 1, maxLength: 8 })
      .map((args) => request(...args)),
  },
  {
    weight: 3,
    arbitrary: fc
      .string({ unit: fc.constantFrom(..."ab \t'\"\\x41n\r\v\f\0"), maxLength: 24 })
      .map((line) => `${line}\n`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "*0\r\n",
      "*-1\r\n",
      "\r\n",
      "*",
      "$",
      "*1\r\n",
      "*9\r\n",
      "*99999999999\r\n",
      "*1\r\n$65\r\n",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(..."*$-019\r\n "), maxLength: 10 }) },
  { weight: 1, arbitrary: fc.nat({ max: 60 }).map((n) => `*${"1".repeat(n)}`) },
);

test("requests: as the naive twin, however cut", () => {
  fc.assert(
    fc.property(
      fc
        .array(fragment, { maxLength: 6 })
        .chain((parts) => fc.tuple(fc.constant(parts.join("")), cuts(parts.join("").length))),
      ([input, at]) => {
        const twin = twinRequests(input, tightLimits);
        for (const chunks of [[bytes(input)], byteByByte(bytes(input)), pieces(bytes(input), at)]) {
          const seen = decodeRequests(chunks, tightLimits);
          const plain = { ...seen, requests: seen.requests.map(({ args, raw }) => ({ args, raw })) };
          assert.deepEqual(plain, twin);
        }
      },
    ),
    { numRuns: 4000 },
  );
});

test("requests: start, end and continued tell where a request stands in the chunk", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  const whole = bytes(request("GET", "a") + request("PING") + request("GET", "b"));
  const [first, second] = pieces(whole, [25]);
  decoder.write(first!);
  assert.equal(decoder.next(), true);
  assert.deepEqual([decoder.start, decoder.end, decoder.continued], [0, 20, false]);
  assert.equal(decoder.next(), false);
  decoder.write(second!);
  assert.equal(decoder.next(), true);
  assert.deepEqual([decoder.start, decoder.end, decoder.continued], [0, 9, true]);
  assert.equal(decoder.next(), true);
  assert.deepEqual([decoder.start, decoder.end, decoder.continued], [9, 29, false]);
  assert.equal(decoder.next(), false);
});

test("requests: an argument within the current chunk is a view of it, also in a continued request", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  const [first, second] = pieces(bytes(request("SET", "key", "value")), [16]);
  decoder.write(first!);
  assert.equal(decoder.next(), false);
  decoder.write(second!);
  assert.equal(decoder.next(), true);
  assert.equal(decoder.arg(2).buffer, second!.buffer);
  assert.equal(decoder.arg(2).toString(), "value");
  assert.equal(decoder.argLength(1), 3);
  assert.throws(() => decoder.arg(3), RangeError);
  assert.throws(() => decoder.arg(-1), RangeError);
});

test("requests: write() refuses a new chunk while the previous one is not drained", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  decoder.write(bytes(request("PING") + request("PING")));
  assert.equal(decoder.next(), true);
  assert.throws(() => decoder.write(bytes("x")), /has not been drained/);
});

test("requests: copyArg has exact memory of its own, and survives the chunks being overwritten", () => {
  const payload = "p".repeat(9000);
  const whole = bytes(`${request("PUBLISH", "socketio", payload)}PING "inline text"\r\n`);
  for (const at of [[], [3], [20], [40], [5000], [20, 40, 5000], [whole.length - 5]]) {
    const decoder = new RequestDecoder(defaultRespLimits);
    const chunks = pieces(whole, at);
    const copies: Buffer[] = [];
    for (const chunk of chunks) {
      decoder.write(chunk);
      while (decoder.next()) for (let i = 0; i < decoder.argc; i++) copies.push(decoder.copyArg(i));
    }
    for (const chunk of chunks) chunk.fill(0x21);
    decoder.write(bytes(request("X".repeat(9000))));
    while (decoder.next());
    assert.deepEqual(
      copies.map((copy) => copy.toString()),
      ["PUBLISH", "socketio", payload, "PING", "inline text"],
    );
    for (const copy of copies) assert.equal(copy.buffer.byteLength, copy.length);
  }
});

test("requests: slices of raw() are not written to by what comes later", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  const kept: Buffer[][] = [];
  for (const piece of byteByByte(bytes(request("SET", "a", "1") + request("SET", "b", "2")))) {
    decoder.write(piece);
    while (decoder.next()) kept.push(decoder.raw());
  }
  assert.deepEqual(
    kept.map((parts) => Buffer.concat(parts).toString()),
    [request("SET", "a", "1"), request("SET", "b", "2")],
  );
});

test("requests: a 1 MiB payload in many chunks comes out whole", () => {
  const payload = Buffer.alloc(1 << 20, "0123456789abcdef");
  const whole = Buffer.concat([
    bytes(`*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$${payload.length}\r\n`),
    payload,
    bytes("\r\n"),
  ]);
  for (const step of [1400, 4096, 65_536]) {
    const decoder = new RequestDecoder(defaultRespLimits);
    let ended = 0;
    for (let at = 0; at < whole.length; at += step) {
      decoder.write(Buffer.from(whole.subarray(at, at + step)));
      while (decoder.next()) {
        ended++;
        assert.ok(decoder.arg(2).equals(payload));
        assert.ok(Buffer.concat(decoder.raw()).equals(whole));
        assert.equal(noteRequest(decoder).command, Command.Publish);
      }
    }
    assert.equal(ended, 1);
  }
});
