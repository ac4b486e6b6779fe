/** The comparison itself: what it must find, and what it must not take for a difference. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonical, differences, lineOf, type Transcript } from "./harness/transcript.js";

const seen = (...texts: [line: string, text: string][]): Transcript =>
  new Map([["a1", texts.map(([line, text]) => ({ line, text }))]]);

test("emitters may interleave, one emitter's events may not", () => {
  const expected = seen(["A", "1"], ["B", "x"], ["A", "2"]);
  assert.deepEqual(differences(expected, seen(["B", "x"], ["A", "1"], ["A", "2"])), []);
  assert.equal(differences(expected, seen(["A", "2"], ["B", "x"], ["A", "1"])).length, 1);
});

test("a missing, a repeated and an additional event are found", () => {
  const expected = seen(["A", "1"], ["A", "2"]);
  assert.notDeepEqual(differences(expected, seen(["A", "1"])), []);
  assert.notDeepEqual(differences(expected, seen(["A", "1"], ["A", "2"], ["A", "2"])), []);
  assert.notDeepEqual(differences(expected, seen(["A", "1"], ["A", "2"], ["B", "3"])), []);
  assert.notDeepEqual(differences(expected, new Map()), []);
});

test("only socket ids are made equal; key order, types and one byte in a long text are not", () => {
  const one = canonical({ to: "sid-1", x: 1 }, new Map([["sid-1", "<a1>"]]));
  assert.equal(one, canonical({ to: "sid-2", x: 1 }, new Map([["sid-2", "<a1>"]])));
  const none = new Map<string, string>();
  assert.notEqual(canonical({ a: 1, b: 2 }, none), canonical({ b: 2, a: 1 }, none));
  assert.notEqual(canonical(["1"], none), canonical([1], none));
  assert.notEqual(canonical([Buffer.from("x")], none), canonical(["x"], none));
  const long = "y".repeat(5_000);
  assert.notEqual(canonical(`${long}a${long}`, none), canonical(`${long}b${long}`, none));
});

test("an event's line is its emitter and its chat", () => {
  assert.equal(lineOf([{ from: "A", chat_id: "c", data: {} }]), "A/c");
  assert.equal(lineOf([{ chat_id: "c" }]), "/c");
  assert.equal(lineOf(["text"]), "");
  assert.equal(lineOf([]), "");
});
