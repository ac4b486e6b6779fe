/**
 * Picks the inputs that are worth keeping in test/fuzz/corpus: `node build/test/fuzz/keep.js TARGET FROM… TO`. By the
 * coverage of blocks that V8 itself counts in src/: the smallest input first, then whatever reaches a block that none
 * before it has reached, or one clearly more often; at most a few dozen, those that reach the most. Inputs
 * called found-… are what a run has found once: they stay.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { targets } from "./targets.js";

const MAX_INPUTS = 24;
const MAX_BYTES = 4_096;

const [name = "", ...dirs] = process.argv.slice(2);
const to = dirs.pop();
const target = Object.hasOwn(targets, name) ? targets[name as keyof typeof targets] : undefined;
if (target === undefined || to === undefined) throw new Error("keep.js TARGET FROM… TO");

const ordinary = (file: string) => !file.startsWith("found-");
const inputs = dirs
  .flatMap((dir) =>
    readdirSync(dir)
      .filter(ordinary)
      .map((file) => readFileSync(join(dir, file))),
  )
  .filter((input) => input.length <= MAX_BYTES)
  .sort((a, b) => a.length - b.length);

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** What one input reaches: blocks of src/, with how often in steps of eight. */
async function reached(input: Buffer): Promise<string[]> {
  await session.post("Profiler.takePreciseCoverage");
  target!(Buffer.from(input));
  const { result } = await session.post("Profiler.takePreciseCoverage");
  return result
    .filter(({ url }) => url.includes("/build/src/"))
    .flatMap(({ url, functions }) =>
      functions.flatMap(({ ranges }) =>
        ranges
          .filter(({ count }) => count > 0)
          .map(({ startOffset, endOffset, count }) => `${url} ${startOffset} ${endOffset} ${count > 8 ? 2 : 1}`),
      ),
    );
}

// Twice: the first run of all tells V8 what the functions are, so that the second finds the same blocks for each.
const sets: { input: Buffer; blocks: Set<string> }[] = [];
for (const input of inputs) await reached(input);
for (const input of inputs) sets.push({ input, blocks: new Set(await reached(input)) });

const seen = new Set<string>();
const kept: Buffer[] = [];
while (kept.length < MAX_INPUTS) {
  let best: (typeof sets)[number] | undefined;
  let most = 0;
  for (const one of sets) {
    let fresh = 0;
    for (const block of one.blocks) if (!seen.has(block)) fresh++;
    // The shortest stand first: a longer one must reach more to be preferred.
    if (fresh > most) {
      most = fresh;
      best = one;
    }
  }
  if (best === undefined) break;
  kept.push(best.input);
  for (const block of best.blocks) seen.add(block);
}
session.disconnect();

mkdirSync(to, { recursive: true });
for (const file of readdirSync(to).filter(ordinary)) rmSync(join(to, file));
for (const input of kept) {
  writeFileSync(join(to, createHash("sha256").update(input).digest("hex").slice(0, 16)), input);
}
const bytes = kept.reduce((sum, { length }) => sum + length, 0);
process.stdout.write(`${name}: ${kept.length} of ${inputs.length} inputs kept, ${bytes} bytes, ${seen.size} blocks\n`);
