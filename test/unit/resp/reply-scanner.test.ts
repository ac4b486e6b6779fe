/** ReplyScanner: the boundaries of replies, their types and heads, however cut; and what it says of an open value. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LimitError, ProtocolError } from "../../../src/core/errors.js";
import { defaultRespLimits } from "../../../src/core/limits.js";
import { ReplyHead } from "../../../src/resp/reply-head.js";
import { ReplyScanner } from "../../../src/resp/reply-scanner.js";
import { byteByByte, bytes, cuts, errorOf, pieces, tightLimits } from "./feed.js";
import { anyReply, replyCases } from "./reply-cases.js";

interface Scanned {
  type: string;
  head: number;
  /** The value's bytes, from the offsets that the scanner gave. */
  text: string;
}

/** Scans `chunks` and puts each value together from them, as a pump that forwards up to `end` would. */
function scan(chunks: readonly Buffer[]): { values: Scanned[]; open: string } {
  const scanner = new ReplyScanner(defaultRespLimits);
  const values: Scanned[] = [];
  let earlier = "";
  for (const chunk of chunks) {
    scanner.write(chunk);
    while (scanner.next()) {
      assert.equal(scanner.continued, earlier !== "");
      values.push({
        type: String.fromCharCode(scanner.type),
        head: scanner.head,
        text: earlier + chunk.toString("latin1", scanner.start, scanner.end),
      });
      earlier = "";
    }
    if (scanner.open) earlier += chunk.toString("latin1", scanner.openStart);
    assert.equal(scanner.open, earlier !== "");
  }
  return { values, open: earlier };
}

for (const { name, input, type = input.charAt(0) } of replyCases) {
  test(`scan: ${name}`, () => {
    const twice = bytes(input + input);
    const check = (chunks: Buffer[]): void => {
      const { values, open } = scan(chunks);
      assert.deepEqual(
        values.map((one) => [one.type, one.text]),
        [
          [type, input],
          [type, input],
        ],
      );
      assert.equal(open, "");
    };
    check([twice]);
    check(byteByByte(twice));
    fc.assert(
      fc.property(cuts(twice.length), (at) => check(pieces(twice, at))),
      { numRuns: 40 },
    );
  });
}

test("scan: random values, however cut, end where they were put together", () => {
  fc.assert(
    fc.property(
      fc.array(anyReply, { maxLength: 4 }),
      fc.array(fc.nat({ max: 600 }), { maxLength: 10 }),
      fc.nat({ max: 40 }),
      (all, at, missing) => {
        const inputs = all.map((one) => one.input);
        const whole = bytes(inputs.join(""));
        for (const chunks of [[whole], byteByByte(whole), pieces(whole, at)]) {
          assert.deepEqual(
            scan(chunks).values.map((one) => one.text),
            inputs,
          );
        }
        const cut = whole.subarray(0, Math.max(0, whole.length - missing));
        const { values, open } = scan(pieces(cut, at));
        assert.equal(values.map((one) => one.text).join("") + open, cut.toString("latin1"));
      },
    ),
    { numRuns: 1500 },
  );
});

const word = (text: string): string => `$${text.length}\r\n${text}\r\n`;

const heads: [name: string, input: string, type: string, head: number][] = [
  ["message", `*3\r\n${word("message")}${word("c")}${word("p")}`, "*", ReplyHead.Message],
  ["message push", `>3\r\n${word("message")}${word("c")}${word("p")}`, ">", ReplyHead.Message],
  ["pmessage", `>4\r\n${word("pmessage")}${word("c*")}${word("c")}${word("p")}`, ">", ReplyHead.PMessage],
  ["smessage", `>3\r\n${word("smessage")}${word("c")}${word("p")}`, ">", ReplyHead.SMessage],
  ["subscribe", `*3\r\n${word("subscribe")}${word("c")}:1\r\n`, "*", ReplyHead.Subscribe],
  ["unsubscribe from nothing", `*3\r\n${word("unsubscribe")}$-1\r\n:0\r\n`, "*", ReplyHead.Unsubscribe],
  ["psubscribe", `>3\r\n${word("psubscribe")}${word("c")}:1\r\n`, ">", ReplyHead.PSubscribe],
  ["punsubscribe", `>3\r\n${word("punsubscribe")}_\r\n:0\r\n`, ">", ReplyHead.PUnsubscribe],
  ["ssubscribe", `>3\r\n${word("ssubscribe")}${word("c")}:1\r\n`, ">", ReplyHead.SSubscribe],
  ["sunsubscribe", `>3\r\n${word("sunsubscribe")}${word("c")}:0\r\n`, ">", ReplyHead.SUnsubscribe],
  ["pong in subscriber mode", `*2\r\n${word("pong")}${word("")}`, "*", ReplyHead.Pong],
  ["invalidate", `>2\r\n${word("invalidate")}*1\r\n${word("k")}`, ">", ReplyHead.Invalidate],
  ["a simple string for a head", ">2\r\n+message\r\n+x\r\n", ">", ReplyHead.Message],
  ["another word", `*2\r\n${word("messages")}${word("x")}`, "*", ReplyHead.Other],
  ["a long first element", `*1\r\n${word("message".repeat(40))}`, "*", ReplyHead.Other],
  ["a long simple first element", `*1\r\n+${"subscribe".repeat(40)}\r\n`, "*", ReplyHead.Other],
  ["an empty first element", `*1\r\n${word("")}`, "*", ReplyHead.Other],
  ["a null first element", "*1\r\n$-1\r\n", "*", ReplyHead.Other],
  ["an integer first", `*2\r\n:1\r\n${word("message")}`, "*", ReplyHead.Other],
  ["the word one level down", `*1\r\n*1\r\n${word("message")}`, "*", ReplyHead.Other],
  ["the word in the last nested array", `*2\r\n:1\r\n*1\r\n${word("message")}`, "*", ReplyHead.Other],
  ["an empty array", "*0\r\n", "*", ReplyHead.Other],
  ["a null array", "*-1\r\n", "*", ReplyHead.Other],
  ["a bulk string", word("message"), "$", ReplyHead.None],
  ["a simple string", "+message\r\n", "+", ReplyHead.None],
  ["a set", `~1\r\n${word("message")}`, "~", ReplyHead.None],
  ["a map", `%1\r\n${word("message")}:1\r\n`, "%", ReplyHead.None],
  ["a push behind an attribute", `|1\r\n+k\r\n*1\r\n+pong\r\n>1\r\n${word("message")}`, ">", ReplyHead.Message],
  ["a head behind an attribute", `*2\r\n|1\r\n+k\r\n*1\r\n+pong\r\n${word("message")}:1\r\n`, "*", ReplyHead.Message],
  ["an attribute that holds the word", `|1\r\n+message\r\n*1\r\n+message\r\n+OK\r\n`, "+", ReplyHead.None],
];

for (const [name, input, type, head] of heads) {
  test(`scan, head: ${name}`, () => {
    const whole = bytes(`+OK\r\n${input}:1\r\n`);
    const expected = [
      { type: "+", head: ReplyHead.None, text: "+OK\r\n" },
      { type, head, text: input },
      { type: ":", head: ReplyHead.None, text: ":1\r\n" },
    ];
    assert.deepEqual(scan([whole]).values, expected);
    assert.deepEqual(scan(byteByByte(whole)).values, expected);
    for (let at = 1; at < whole.length; at++) assert.deepEqual(scan(pieces(whole, [at])).values, expected);
  });
}

test("scan: an open value tells its type and head as soon as they are known", () => {
  const scanner = new ReplyScanner(defaultRespLimits);
  const steps: [piece: string, open: boolean, start: number, type: number, head: number][] = [
    ["+OK\r\n|1\r", true, 5, 0, ReplyHead.None],
    ["\n+k\r\n+v\r\n", true, 0, 0, ReplyHead.None],
    [">3\r\n$7\r\nmess", true, 0, 0x3e, ReplyHead.None],
    ["age\r", true, 0, 0x3e, ReplyHead.None],
    ["\n$1\r\nc\r\n$1000\r\n", true, 0, 0x3e, ReplyHead.Message],
    ["x".repeat(1000), true, 0, 0x3e, ReplyHead.Message],
    ["\r\n", false, 0, 0, ReplyHead.None],
    [":12", true, 0, 0x3a, ReplyHead.None],
    ["\r\n", false, 0, 0, ReplyHead.None],
  ];
  for (const [piece, open, start, type, head] of steps) {
    scanner.write(bytes(piece));
    while (scanner.next());
    const said = [scanner.open, scanner.open ? scanner.openStart : 0, scanner.openType, scanner.openHead];
    assert.deepEqual(said, [open, start, type, head], piece);
  }
});

const malformed: [name: string, input: string, message: string][] = [
  ["an unknown type", "HTTP/1.1 400 Bad Request\r\n", "unknown reply type 0x48"],
  ["a CR without LF", "+OK\rX", "expected LF behind CR"],
  ["a bulk length with letters", "$12a4\r\n", "invalid bulk length"],
  ["a negative bulk length", "$-2\r\n", "invalid bulk length"],
  ["an array count with letters", "*1x\r\n", "invalid multibulk length"],
  ["a null push", ">-1\r\n", "invalid multibulk length"],
  ["a count beyond 32 bits", "*99999999999\r\n", "invalid multibulk length"],
  ["a bulk that ends in LF and no CR", "$2\r\nabX\n", "expected CRLF behind a bulk string"],
  ["a bulk that ends in CR and no LF", "$2\r\nab\rX", "expected CRLF behind a bulk string"],
  ["a bulk longer than it says", "$2\r\nabc\r\n", "expected CRLF behind a bulk string"],
  ["a streamed string", "$?\r\n", "streamed types are not supported"],
  ["a streamed array", "*?\r\n", "streamed types are not supported"],
];

for (const [name, input, message] of malformed) {
  test(`scan, malformed: ${name}`, () => {
    for (const chunks of [[bytes(input)], byteByByte(bytes(input))]) {
      const scanner = new ReplyScanner(defaultRespLimits);
      const error = errorOf(() => {
        for (const chunk of chunks) {
          scanner.write(chunk);
          while (scanner.next());
        }
      });
      assert.ok(error instanceof ProtocolError);
      assert.equal(error.message, message);
      assert.equal(
        errorOf(() => scanner.next()),
        error,
        "the error is sticky",
      );
      assert.equal(
        errorOf(() => scanner.write(bytes("+OK\r\n"))),
        error,
      );
    }
  });
}

test("scan: a line over maxLineBytes is refused, however cut", () => {
  const line = bytes(`+${"x".repeat(48)}\r\n`);
  for (const chunks of [[line], byteByByte(line)]) {
    const scanner = new ReplyScanner(tightLimits);
    const error = errorOf(() => {
      for (const chunk of chunks) {
        scanner.write(chunk);
        while (scanner.next());
      }
    });
    assert.ok(error instanceof LimitError);
    assert.equal(error.limit, "maxLineBytes");
  }
});

test("scan: values of any size and depth pass, because nothing of them is kept", () => {
  const scanner = new ReplyScanner(tightLimits);
  scanner.write(bytes(`${"*1\r\n".repeat(50_000)}:7\r\n`));
  assert.equal(scanner.next(), true);
  assert.equal(scanner.next(), false);
  scanner.write(bytes("$5368709120\r\n"));
  assert.equal(scanner.next(), false);
  const chunk = Buffer.alloc(1 << 26);
  for (let i = 0; i < 80; i++) {
    scanner.write(chunk);
    assert.equal(scanner.next(), false);
  }
  scanner.write(bytes("\r\n+OK\r\n"));
  assert.equal(scanner.next(), true);
  assert.equal(scanner.end, 2);
  assert.equal(scanner.next(), true);
});

test("scan: write() refuses a new chunk while the previous one is not drained", () => {
  const scanner = new ReplyScanner(defaultRespLimits);
  scanner.write(bytes("+a\r\n+b\r\n"));
  assert.equal(scanner.next(), true);
  assert.throws(() => scanner.write(bytes("x")), /has not been drained/);
});
