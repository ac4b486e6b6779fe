/** The glob against answers of a real server, against a naive twin, and against patterns made to take for ever. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { globMatch } from "../../../src/socketio/glob.js";

/** Redis's rules written down plainly: recursion, strings of latin1. */
function twin(pattern: string, text: string): boolean {
  if (text === "") return /^\**$/.test(pattern);
  if (pattern === "") return false;
  const c = pattern[0]!;
  if (c === "*") {
    for (let i = 0; i <= text.length; i++) if (twin(pattern.slice(1), text.slice(i))) return true;
    return false;
  }
  if (c === "?") return twin(pattern.slice(1), text.slice(1));
  if (c !== "[") {
    const rest = c === "\\" && pattern.length > 1 ? pattern.slice(1) : pattern;
    return rest[0] === text[0] && twin(rest.slice(1), text.slice(1));
  }
  let p = pattern.slice(1);
  const not = p.startsWith("^");
  if (not) p = p.slice(1);
  let hit = false;
  for (; p !== "" && p[0] !== "]"; p = p.slice(1)) {
    if (p[0] === "\\" && p.length > 1) {
      p = p.slice(1);
      hit ||= p[0] === text[0];
    } else if (p.length > 2 && p[1] === "-") {
      const [low, high] = [p[0]!, p[2]!].sort();
      hit ||= text[0]! >= low! && text[0]! <= high!;
      p = p.slice(2);
    } else {
      hit ||= p[0] === text[0];
    }
  }
  return hit !== not && twin(p.slice(1), text.slice(1));
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

test("as the server answers (PUBSUB CHANNELS of Redis 7.0.15, 420 patterns, 27 channels)", () => {
  const file = fileURLToPath(new URL("../../../../test/unit/socketio/fixtures/globs.json", import.meta.url));
  const { texts, patterns } = JSON.parse(readFileSync(file, "utf8")) as {
    texts: string[];
    patterns: [string, string][];
  };
  for (const [hex, answers] of patterns) {
    const pattern = Buffer.from(hex, "hex");
    const got = texts.map((text) => (globMatch(pattern, Buffer.from(text, "hex")) ? "1" : "0")).join("");
    assert.equal(got, answers, JSON.stringify(pattern.toString("latin1")));
  }
});

test("as the naive twin, on random patterns", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const pick = (alphabet: string, most: number): string =>
    Array.from({ length: random(most + 1) }, () => alphabet[random(alphabet.length)]).join("");
  for (let round = 0; round < 50_000; round++) {
    const pattern = pick("aab*?[]^-\\", 8);
    const text = `a${pick("aab]^-\\*", 6)}`;
    assert.equal(globMatch(bytes(pattern), bytes(text)), twin(pattern, text), `${pattern} on ${text}`);
  }
});

test("a pattern of many stars takes at most pattern times text", () => {
  const text = bytes("a".repeat(3000));
  const begin = process.cpuUsage();
  assert.equal(globMatch(bytes(`${"a*".repeat(500)}b`), text), false);
  assert.equal(globMatch(bytes(`${"*a".repeat(500)}*b*`), text), false);
  assert.equal(globMatch(bytes(`${"*[a-z]?".repeat(300)}*\\b`), text), false);
  assert.equal(globMatch(bytes("*".repeat(100_000)), text), true);
  const { user } = process.cpuUsage(begin);
  assert.ok(user < 2_000_000, `${user} µs`);
});
