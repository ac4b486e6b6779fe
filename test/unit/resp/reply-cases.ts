/** RESP replies with what they mean: the table and the generator that the tests of scanner and decoder share. */

import fc from "fast-check";
import type { Reply } from "../../../src/resp/reply.js";
import { ReplyError, ReplyMap, ReplyPush, ReplySet, ReplyVerbatim } from "../../../src/resp/reply.js";
import { bytes } from "./feed.js";

export interface ReplyCase {
  name: string;
  input: string;
  value: Reply;
  /** Its type byte, where attributes stand in front of it. */
  type?: string;
}

const bulk = (text: string): Buffer => bytes(text);

/** Every type of RESP2 and RESP3, one value each. */
export const replyCases: ReplyCase[] = [
  { name: "simple string", input: "+OK\r\n", value: "OK" },
  { name: "empty simple string", input: "+\r\n", value: "" },
  { name: "simple string in UTF-8", input: "+\xc3\xa9\r\n", value: "é" },
  { name: "long simple string", input: `+${"x".repeat(300)}\r\n`, value: "x".repeat(300) },
  { name: "error", input: "-ERR no such thing\r\n", value: new ReplyError("ERR no such thing") },
  { name: "integer", input: ":1000\r\n", value: 1000 },
  { name: "negative integer", input: ":-7\r\n", value: -7 },
  { name: "integer with a plus", input: ":+7\r\n", value: 7 },
  { name: "zero", input: ":-0\r\n", value: 0 },
  { name: "largest exact integer", input: ":9007199254740991\r\n", value: 9007199254740991 },
  { name: "integer beyond 2^53", input: ":9007199254740992\r\n", value: 9007199254740992n },
  { name: "smallest 64-bit integer", input: ":-9223372036854775808\r\n", value: -(2n ** 63n) },
  { name: "bulk string", input: "$5\r\nhello\r\n", value: bulk("hello") },
  { name: "empty bulk string", input: "$0\r\n\r\n", value: bulk("") },
  { name: "bulk string with line ends", input: "$6\r\n\r\n+OK\r\r\n", value: bulk("\r\n+OK\r") },
  { name: "long bulk string", input: `$10000\r\n${"y".repeat(10_000)}\r\n`, value: bulk("y".repeat(10_000)) },
  { name: "null bulk string", input: "$-1\r\n", value: null },
  { name: "null array", input: "*-1\r\n", value: null },
  { name: "null", input: "_\r\n", value: null },
  { name: "empty array", input: "*0\r\n", value: [] },
  { name: "array", input: "*3\r\n:1\r\n$1\r\na\r\n+b\r\n", value: [1, bulk("a"), "b"] },
  { name: "array with nulls", input: "*2\r\n$-1\r\n*-1\r\n", value: [null, null] },
  {
    name: "nested arrays",
    input: "*2\r\n*2\r\n*0\r\n*1\r\n:1\r\n$1\r\na\r\n",
    value: [[[], [1]], bulk("a")],
  },
  { name: "true", input: "#t\r\n", value: true },
  { name: "false", input: "#f\r\n", value: false },
  { name: "double", input: ",3.25\r\n", value: 3.25 },
  { name: "double without fraction", input: ",10\r\n", value: 10 },
  { name: "double with exponent", input: ",-1.5e-3\r\n", value: -0.0015 },
  { name: "infinity", input: ",inf\r\n", value: Number.POSITIVE_INFINITY },
  { name: "negative infinity", input: ",-inf\r\n", value: Number.NEGATIVE_INFINITY },
  { name: "not a number", input: ",nan\r\n", value: Number.NaN },
  { name: "big number", input: "(34928903284092385090248\r\n", value: 34928903284092385090248n },
  { name: "negative big number", input: "(-1\r\n", value: -1n },
  { name: "bulk error", input: "!21\r\nSYNTAX invalid syntax\r\n", value: new ReplyError("SYNTAX invalid syntax") },
  {
    name: "verbatim string",
    input: "=15\r\ntxt:Some string\r\n",
    value: new ReplyVerbatim("txt", bulk("Some string")),
  },
  { name: "empty verbatim string", input: "=4\r\nmkd:\r\n", value: new ReplyVerbatim("mkd", bulk("")) },
  {
    name: "map",
    input: "%2\r\n+first\r\n:1\r\n$6\r\nsecond\r\n*1\r\n:2\r\n",
    value: new ReplyMap([
      ["first", 1],
      [bulk("second"), [2]],
    ]),
  },
  { name: "empty map", input: "%0\r\n", value: new ReplyMap([]) },
  { name: "set", input: "~2\r\n+a\r\n_\r\n", value: new ReplySet(["a", null]) },
  {
    name: "push",
    input: ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
    value: new ReplyPush([bulk("message"), bulk("c"), bulk("hi")]),
  },
  { name: "value with an attribute", input: "|1\r\n+ttl\r\n:3600\r\n+OK\r\n", value: "OK", type: "+" },
  { name: "value with two attributes", input: "|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n:3\r\n", value: 3, type: ":" },
  { name: "value with an empty attribute", input: "|0\r\n:3\r\n", value: 3, type: ":" },
  {
    name: "attributes within an array",
    input: "*3\r\n:1\r\n|1\r\n+k\r\n*1\r\n|1\r\n+x\r\n+y\r\n:9\r\n:2\r\n|0\r\n*0\r\n",
    value: [1, 2, []],
  },
];

interface Generated {
  input: string;
  value: Reply;
}

const scalar: fc.Arbitrary<Generated> = fc.oneof(
  fc.constantFrom(...replyCases.filter((one) => one.input.length < 60).map(({ input, value }) => ({ input, value }))),
  fc.string({ unit: "binary-ascii", maxLength: 40 }).map((text) => ({
    input: `$${text.length}\r\n${text}\r\n`,
    value: bulk(text),
  })),
  fc.maxSafeInteger().map((n) => ({ input: `:${n}\r\n`, value: n === 0 ? 0 : n })),
);

/** Random replies, at most four aggregates deep (the cases among them at most four more). */
export const anyReply: fc.Arbitrary<Generated> = fc.letrec<{ reply: Generated }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie("reply"), { maxLength: 4 }).map((items) => aggregate("*", items.length, items, (all) => all)),
    fc
      .array(tie("reply"), { maxLength: 4 })
      .map((items) => aggregate("~", items.length, items, (all) => new ReplySet(all))),
    fc
      .array(tie("reply"), { maxLength: 3 })
      .map((items) => aggregate(">", items.length, items, (all) => new ReplyPush(all))),
    fc
      .array(fc.tuple(tie("reply"), tie("reply")), { maxLength: 3 })
      .map((pairs) =>
        aggregate(
          "%",
          pairs.length,
          pairs.flat(),
          (all) => new ReplyMap(pairs.map((_, i) => [all[2 * i]!, all[2 * i + 1]!] as [Reply, Reply])),
        ),
      ),
    fc.tuple(tie("reply"), tie("reply"), tie("reply")).map(([key, value, carrier]) => ({
      input: `|1\r\n${key.input}${value.input}${carrier.input}`,
      value: carrier.value,
    })),
  ),
})).reply;

function aggregate(type: string, count: number, items: Generated[], make: (all: Reply[]) => Reply): Generated {
  return {
    input: `${type}${count}\r\n${items.map((item) => item.input).join("")}`,
    value: make(items.map((item) => item.value)),
  };
}
