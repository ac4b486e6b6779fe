/** What else could carry a growing frame: fossil-delta, JSON Patch, deflate, and VCDIFF by the program that defines it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { crc32 } from "../../src/frame/checksum.js";
import { apply, diff } from "../../src/frame/splice.js";
import { inRoot } from "../../test/support/root.js";

// Both peers are CommonJS without usable types for an ES module.
const require = createRequire(import.meta.url);
const fossil = require("fossil-delta") as {
  create(base: Uint8Array, next: Uint8Array): ArrayLike<number>;
  apply(base: Uint8Array, delta: ArrayLike<number>): ArrayLike<number>;
};
const { compare } = require("fast-json-patch") as { compare(base: object, next: object): unknown[] };

/** A frame and the one that it is coded against. */
export interface Pair {
  base: Buffer;
  next: Buffer;
}

export interface Task {
  peer: string;
  /** What this way of sending puts on the wire, bytes; absent where the task is not about sending. */
  bytes?: number;
  run(): unknown;
}

/** Deflate looks back this far: more of the last frame is no use as its dictionary. */
const DEFLATE_WINDOW = 32 * 1024;

const dictionaryOf = (base: Buffer) => ({ dictionary: base.subarray(-DEFLATE_WINDOW) });
const isJson = (frame: Buffer) => frame[0] === 0x7b;
const parse = (frame: Buffer) => JSON.parse(frame.toString()) as object;

/** Every peer's tasks for one pair. @throws where one of them does not bring the frame back */
export function tasksFor({ base, next }: Pair): Task[] {
  const hunks = diff(base, next, next.length + 64);
  if (hunks === null || !apply(base, hunks, next.length).equals(next)) throw new Error("our own round trip failed");
  const delta = fossil.create(base, next);
  if (!Buffer.from(Array.from(fossil.apply(base, delta))).equals(next)) {
    throw new Error("fossil-delta's round trip failed");
  }
  const primed = deflateRawSync(next, dictionaryOf(base));
  if (!inflateRawSync(primed, dictionaryOf(base)).equals(next)) throw new Error("deflate's round trip failed");
  const tasks: Task[] = [
    { peer: "ours: diff", bytes: hunks.length, run: () => diff(base, next, next.length + 64) },
    { peer: "ours: apply", run: () => apply(base, hunks, next.length) },
    { peer: "ours: crc32", run: () => crc32(next) },
    { peer: "fossil-delta: create", bytes: delta.length, run: () => fossil.create(base, next) },
    { peer: "fossil-delta: apply", run: () => fossil.apply(base, delta) },
    { peer: "deflateRaw of the frame", bytes: deflateRawSync(next).length, run: () => deflateRawSync(next) },
    {
      peer: "deflateRaw, last frame as dictionary",
      bytes: primed.length,
      run: () => deflateRawSync(next, dictionaryOf(base)),
    },
  ];
  if (isJson(next) && isJson(base)) {
    const parsedBase = parse(base);
    const parsedNext = parse(next);
    const patch = (): Buffer => Buffer.from(JSON.stringify(compare(parsedBase, parse(next))));
    tasks.push({ peer: "RFC 6902: compare only", run: () => compare(parsedBase, parsedNext) });
    tasks.push({ peer: "RFC 6902: parse, compare, stringify", bytes: patch().length, run: patch });
  }
  return tasks;
}

/**
 * VCDIFF (RFC 3284). npm has no maintained package that encodes it (vcdiff is a wrapper of a library that nobody has touched
 * for years, others only decode), so its bytes come from Debian's xdelta3; a process for each frame has no time to compare.
 */
export interface Vcdiff {
  bytes(pair: Pair): number;
  close(): void;
}

/** Debian's xdelta3, installed or unpacked into .cache; undefined where it cannot be had. */
export async function findVcdiff(say: (line: string) => void): Promise<Vcdiff | undefined> {
  const module = pathToFileURL(inRoot("bench", "proxy", "debian-program.mjs")).href;
  const { debianProgram } = (await import(module)) as {
    debianProgram(name: string, path: string): Promise<{ file: string; env: NodeJS.ProcessEnv }>;
  };
  let program: { file: string; env: NodeJS.ProcessEnv };
  try {
    program = await debianProgram("xdelta3", "usr/bin/xdelta3");
  } catch (error) {
    say(`no VCDIFF: ${(error as Error).message}`);
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), "keyframe-vcdiff-"));
  const [base, next] = [join(folder, "base"), join(folder, "next")];
  return {
    bytes(pair) {
      writeFileSync(base, pair.base);
      writeFileSync(next, pair.next);
      // Without checksum, names and a second compression: the bare instructions, as ours are counted.
      const args = ["-e", "-9", "-n", "-A", "-S", "none", "-c", "-s", base, next];
      const { status, stdout, stderr } = spawnSync(program.file, args, { env: program.env });
      if (status !== 0) throw new Error(`xdelta3 ended with ${status}: ${stderr}`);
      return stdout.length;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
