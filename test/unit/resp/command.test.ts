/** The command table and the words of pushes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Command, commandOf, longestCommandName } from "../../../src/resp/command.js";
import { ReplyHead, replyHeadOf } from "../../../src/resp/reply-head.js";
import { WordTable } from "../../../src/resp/words.js";

/** Redis's spelling of a key of `Command`. */
function nameOf(key: string): string {
  return key.toLowerCase().replace(/ro$/, "_ro");
}

const known = new Map<string, number>(
  Object.entries(Command)
    .filter(([key]) => key !== "None" && key !== "Other")
    .map(([key, value]) => [nameOf(key), value]),
);

const at = (text: string): number => {
  const buf = Buffer.from(`<<${text}>>`, "latin1");
  return commandOf(buf, 2, buf.length - 2);
};

test("commands: every one is found, in any case", () => {
  assert.equal(known.size, 38);
  for (const [name, value] of known) {
    assert.equal(at(name), value, name);
    assert.equal(at(name.toUpperCase()), value, name);
    assert.equal(at(name[0]!.toUpperCase() + name.slice(1)), value, name);
    assert.ok(name.length <= longestCommandName);
  }
});

test("commands: anything else is Other", () => {
  for (const text of [
    "",
    "p",
    "get",
    "publis",
    "publishh",
    "publish ",
    "client|reply",
    "eval\x7fro",
    "eval?ro",
    "sscript",
  ]) {
    assert.equal(at(text), Command.Other, JSON.stringify(text));
  }
  const near = fc.constantFrom(...known.keys()).chain((name) =>
    fc.tuple(fc.nat({ max: name.length - 1 }), fc.nat({ max: 255 })).map(([i, byte]) => {
      const bytes = Buffer.from(name);
      bytes[i] = byte;
      return bytes.toString("latin1");
    }),
  );
  fc.assert(
    // ASCII case only: what `toLowerCase` makes of other letters is not what Redis does.
    fc.property(near, (text) => {
      const folded = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
      assert.equal(at(text), known.get(folded) ?? Command.Other);
    }),
    { numRuns: 3000 },
  );
});

test("reply heads: lower case only", () => {
  for (const [key, value] of Object.entries(ReplyHead)) {
    if (value <= ReplyHead.Other) continue;
    const word = Buffer.from(key.toLowerCase());
    assert.equal(replyHeadOf(word, 0, word.length), value, key);
    const upper = Buffer.from(key.toUpperCase());
    assert.equal(replyHeadOf(upper, 0, upper.length), ReplyHead.Other, key);
  }
});

test("a word table refuses words that it could not find", () => {
  assert.throws(() => new WordTable([["x", 1]], true), RangeError);
});
