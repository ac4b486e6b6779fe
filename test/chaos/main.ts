/**
 * `npm run test:chaos -- [--seed N] [--minutes M] [--rounds R] [--faults a,b] [--streams S] [--fps F] [--out FILE]`: chats
 * over a fleet to which things happen, and a checker that knows what may follow from that and what may not.
 */
import { parseArgs } from "node:util";
import { chatsOf } from "./chats.js";
import { closing, writeLogs, writeResult } from "./report.js";
import { Run } from "./run.js";
import { type FaultKind, faultKinds } from "./schedule.js";

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
    rounds: { type: "string", default: "0" },
    faults: { type: "string", default: faultKinds.join(",") },
    streams: { type: "string", default: "50" },
    fps: { type: "string", default: "4" },
    out: { type: "string" },
  },
});

const kinds = flags.faults.split(",") as FaultKind[];
const unknown = kinds.filter((kind) => !faultKinds.includes(kind));
if (unknown.length > 0) {
  process.stderr.write(`no such fault: ${unknown.join(", ")}; there are ${faultKinds.join(", ")}\n`);
  process.exit(2);
}
const seed = Number(flags.seed);
const PODS = 3;
const say = (text: string) => process.stdout.write(`${text}\n`);

const chats = chatsOf(seed, Number(flags.streams), PODS, Number(flags.fps));
const run = new Run({ seed, pods: PODS, kinds, chats }, say);
let failure: unknown;
try {
  await run.start();
  await run.go(Number(flags.minutes) * 60_000, Number(flags.rounds) || Number.POSITIVE_INFINITY);
} catch (error) {
  failure = error;
}
const bad = failure !== undefined || run.model.violations.length > 0;
const logs = bad ? writeLogs(run) : undefined;
if (flags.out !== undefined) writeResult(run, flags.out, process.argv.slice(2));
await run.stop();
say(closing(run, failure, logs));
process.exit(bad ? 1 : 0);
