/**
 * What the codec costs and saves, next to what else could carry a growing frame: `npm run bench:codec`, or as a section of
 * `npm run bench`.
 *
 * Recorded traffic frame by frame, and made frames of 4 to 256 KiB in five kinds of change; for each, microseconds and bytes of
 * our diff, apply and CRC-32, of fossil-delta (the same idea, general purpose, no memcmp), of deflate with and without the last
 * frame as its dictionary, of JSON Patch (RFC 6902) on parsed JSON, and the bytes of VCDIFF. Options: --rounds N, --out FILE.
 */
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { type CaptureRow, measureCaptures } from "./codec/captures.js";
import { type MadeRow, measureMade, SAMPLE_US } from "./codec/made.js";
import { findVcdiff } from "./codec/peers.js";
import { codecTables } from "./codec/tables.js";
import { tableText } from "./suite/report.js";

export interface CodecResult {
  rounds: number;
  sampleUs: number;
  captures: CaptureRow[];
  made: MadeRow[];
}

/** Measures everything. @param rounds in which the peers take turns; with few of them, only some frames are looked at */
export async function benchCodec(rounds: number, say: (line: string) => void): Promise<CodecResult> {
  const vcdiff = await findVcdiff(say);
  try {
    const captures = await measureCaptures(
      { rounds: Math.max(3, Math.round(rounds / 2)), every: rounds < 5 ? 8 : 1 },
      vcdiff,
      say,
    );
    say("made frames");
    return { rounds, sampleUs: SAMPLE_US, captures, made: await measureMade(rounds) };
  } finally {
    vcdiff?.close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "15" }, out: { type: "string" } } });
  const result = await benchCodec(Number(values.rounds), (line) => console.log(line));
  for (const table of codecTables(result)) console.log(`\n${tableText(table)}`);
  if (values.out === undefined) return;
  const about = { node: process.version, arch: process.arch };
  writeFileSync(values.out, `${JSON.stringify({ about, ...result }, null, 1)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
