/**
 * The codec: any hunks against any base give what a naive reader of the specification gives, or are refused as it refuses
 * them; and what diff() finds between any two frames turns the one into the other.
 */
import assert from "node:assert/strict";
import { apply, diff } from "../../../src/frame/splice.js";
import { guarded, Input, refused } from "../input.js";
import { naiveVarint } from "../naive.js";

const MAX = 64 * 1024;

/** spec.md, section 5, word for word; undefined: malformed. */
function naive(base: Buffer, hunks: Buffer, most: number): Buffer | undefined {
  let at = 0;
  const varint = (): number | undefined => {
    const read = naiveVarint(hunks, at);
    if (read !== undefined) at = read.next;
    return read?.value;
  };
  const parts: Buffer[] = [];
  let from = 0;
  let last = hunks.length === 0;
  while (at < hunks.length) {
    const copy = varint();
    const second = varint();
    if (copy === undefined || second === undefined) return undefined;
    last = second % 2 === 1;
    const insert = last ? hunks.length - at : varint();
    if (insert === undefined || insert > hunks.length - at) return undefined;
    const skip = Math.floor(second / 2);
    if (from + copy + skip > base.length) return undefined;
    parts.push(base.subarray(from, from + copy), hunks.subarray(at, at + insert));
    from += copy + skip;
    at += insert;
  }
  if (!last) return undefined;
  const result = Buffer.concat([...parts, base.subarray(from)]);
  return result.length <= most ? result : undefined;
}

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const most = [MAX, 40, 0][input.u8() % 3]!;
  const base = input.bytes(input.u16() % 1024);
  const other = input.rest();
  const expected = naive(base, other, most);
  const applied = guarded(() => apply(base, other, most));
  if (refused(applied)) assert.equal(expected, undefined, `only ours refuses: ${applied.message}`);
  else assert.deepEqual(applied, expected);

  const hunks = diff(base, other, MAX);
  assert.ok(hunks !== null, "a difference of so few bytes always fits");
  assert.ok(apply(base, hunks, other.length).equals(other));
  const tight = diff(base, other, hunks.length - 1);
  assert.equal(tight, null, "the limit on hunks holds");
}
