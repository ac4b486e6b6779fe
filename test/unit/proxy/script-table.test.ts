/** Which bodies of EVAL are known, what their hash is, and what the table's limits make it forget. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { MIN_BODY_BYTES, ScriptTable } from "../../../src/proxy/script-table.js";

const sha = (body: Buffer) => createHash("sha1").update(body).digest("hex");
const body = (n: number, length = 100) => Buffer.from(`-- ${n} `.padEnd(length, "x"));

function tableOf(count: number, bytes = 1_000_000) {
  const full: string[] = [];
  const table = new ScriptTable({ count, bytes }, (limit) => full.push(limit));
  const look = (one: Buffer) => table.look(one)?.toString();
  return { table, full, look };
}

test("a body is known from its second time on", () => {
  const { look, table } = tableOf(10);
  assert.equal(look(body(1)), undefined);
  assert.equal(look(body(1)), sha(body(1)));
  assert.equal(look(body(2)), undefined);
  assert.equal(look(body(1)), sha(body(1)));
  assert.deepEqual([table.count, table.bytes], [2, 200]);
});

test("a body that is hardly longer than its hash is not remembered", () => {
  const { look, table } = tableOf(10);
  for (let i = 0; i < 3; i++) assert.equal(look(Buffer.alloc(MIN_BODY_BYTES - 1, "x")), undefined);
  assert.equal(table.count, 0);
  look(Buffer.alloc(MIN_BODY_BYTES, "x"));
  assert.ok(look(Buffer.alloc(MIN_BODY_BYTES, "x")));
});

test("a body that could say by itself what the server says of unknown or denied scripts is never taken", () => {
  const { look } = tableOf(10);
  for (const word of ["NOSCRIPT", "NOPERM"]) {
    const one = Buffer.from(`return redis.error_reply('${word} No matching script') ${" ".repeat(60)}`);
    for (let i = 0; i < 3; i++) assert.equal(look(one), undefined);
  }
});

test("the body is copied: what becomes of the app's bytes afterwards does not matter", () => {
  const { look } = tableOf(10);
  const bytes = body(1);
  look(bytes);
  bytes.fill("y");
  assert.equal(look(bytes), undefined);
  assert.equal(look(body(1)), sha(body(1)));
});

test("over the count, and over the bytes, the least recently used is forgotten, and the limit is named", () => {
  const counted = tableOf(3);
  for (const n of [1, 2, 3]) counted.look(body(n));
  counted.look(body(1));
  counted.look(body(4));
  assert.deepEqual(counted.full, ["scripts"]);
  assert.ok(counted.look(body(1)) && counted.look(body(3)) && counted.look(body(4)));
  assert.equal(counted.look(body(2)), undefined);

  const sized = tableOf(100, 1000);
  for (const n of [1, 2, 3]) sized.look(body(n, 300));
  assert.deepEqual(sized.full, []);
  sized.look(body(4, 500));
  assert.deepEqual(sized.full, ["scriptBytes", "scriptBytes"]);
  assert.equal(sized.table.bytes, 800);
  sized.look(body(5, 1001));
  assert.deepEqual(sized.full.slice(2), ["scriptBytes"]);
  assert.equal(sized.table.bytes, 800);
});

test("a count of 0 remembers nothing and reaches no limit", () => {
  const { look, table, full } = tableOf(0);
  for (let i = 0; i < 3; i++) assert.equal(look(body(1)), undefined);
  assert.deepEqual([table.count, full], [0, []]);
});

test("bodies of one length that differ in one byte live side by side", () => {
  const { look, full } = tableOf(1000, 10_000_000);
  const bodies = Array.from({ length: 500 }, (_, at) => {
    const one = Buffer.alloc(500, "x");
    one[at] = 0x79;
    return one;
  });
  for (const one of bodies) look(one);
  for (const one of bodies) assert.equal(look(one), sha(one));
  assert.deepEqual(full, []);
});

test("long bodies that differ anywhere are never taken for one another, nor counted twice", () => {
  const { look, table } = tableOf(10);
  const one = Buffer.alloc(20_001, "x");
  look(one);
  for (let at = 0; at < one.length; at += 7) {
    const other = Buffer.from(one);
    other[at] = 0x79;
    for (let i = 0; i < 2; i++) {
      const found = look(other);
      assert.ok(found === undefined || found === sha(other));
    }
  }
  assert.ok(table.count <= 10);
  assert.equal(table.bytes, table.count * one.length);
});

test("whatever comes in whatever order: a hash is the body's own, and the limits hold", () => {
  const bodies = Array.from({ length: 12 }, (_, n) => body(n % 6, 60 + 40 * (n % 5)));
  fc.assert(
    fc.property(
      fc.array(fc.nat(bodies.length - 1), { maxLength: 200 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 60, max: 900 }),
      (order, count, bytes) => {
        const { table, look } = tableOf(count, bytes);
        const seen = new Set<string>();
        for (const index of order) {
          const one = bodies[index]!;
          const found = look(one);
          if (found !== undefined) assert.ok(found === sha(one) && seen.has(found));
          seen.add(sha(one));
          assert.ok(table.count <= count && table.bytes <= bytes);
        }
      },
    ),
    { numRuns: 300 },
  );
});
