/**
 * The fuzz targets without the fuzzer: the seeds and every kept input again, and for a moment random bytes and damaged
 * inputs. What the fuzzer has found once stays found; `npm run fuzz` searches on.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Target } from "../../fuzz/input.js";
import { seeds } from "../../fuzz/seeds.js";
import { targets } from "../../fuzz/targets.js";
import { inRoot } from "../../support/root.js";

const corpus = inRoot("test", "fuzz", "corpus");

function kept(name: string): Buffer[] {
  const dir = `${corpus}/${name}`;
  return readdirSync(dir).map((file) => readFileSync(`${dir}/${file}`));
}

/** An input with a piece of it changed, doubled or cut out. */
function damaged(inputs: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const change = fc.tuple(fc.nat({ max: 4096 }), fc.nat({ max: 16 }), fc.uint8Array({ maxLength: 12 }));
  return fc.tuple(fc.constantFrom(...inputs), fc.array(change, { maxLength: 4 })).map(([input, changes]) =>
    changes.reduce((bytes, [at, length, put]) => {
      const from = at % (bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + length)]);
    }, input),
  );
}

test("every target has a corpus, and every corpus a target", () => {
  assert.ok(existsSync(corpus));
  const dirs = readdirSync(corpus, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(dirs.map(({ name }) => name).sort(), Object.keys(targets).sort());
  const files = inRoot("test", "fuzz", "targets");
  assert.deepEqual(
    readdirSync(files)
      .map((file) => file.replace(/\.ts$/, ""))
      .sort(),
    Object.keys(targets).sort(),
  );
});

const made: Record<string, Buffer[]> = seeds();

for (const [name, fuzz] of Object.entries<Target>(targets)) {
  describe(name, () => {
    const inputs = [...kept(name), ...made[name]!];
    test("the kept inputs and the seeds", () => {
      assert.ok(inputs.length > made[name]!.length && made[name]!.length > 0);
      for (const input of inputs) fuzz(Buffer.from(input));
    });
    test("random and damaged inputs", () => {
      const any = fc.oneof(
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
        { weight: 4, arbitrary: damaged(inputs) },
      );
      fc.assert(
        fc.property(any, (input) => fuzz(Buffer.from(input))),
        { interruptAfterTimeLimit: 300, numRuns: 5_000 },
      );
    });
  });
}
