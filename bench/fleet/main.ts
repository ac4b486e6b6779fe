/**
 * `npm run bench:fleet -- [--only load,bytes] [--seconds N] [--rounds N] [--quick] [--out FILE]`: the fleet's scenes on their own, one after
 * the other; N is the time for all of them. Prints what it measures and writes it as JSON.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import type { Goal } from "./figures.js";
import { type SceneName, scenes, shares } from "./scenes.js";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(scenes).join(",") },
    seconds: { type: "string", default: "720" },
    rounds: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    out: { type: "string" },
  },
});
const say = (text: string) => process.stdout.write(`${text}\n`);
const names = flags.only.split(",") as SceneName[];
const whole = names.reduce((sum, name) => sum + shares[name], 0);
const results: Partial<Record<SceneName, { goals: Goal[] }>> = {};

say(`${availableParallelism()} cores, Node ${process.version}, load average ${loadavg()[0]!.toFixed(1)}`);
for (const name of names) {
  const seconds = (Number(flags.seconds) * shares[name]) / whole;
  const began = performance.now();
  results[name] = await scenes[name]({ seconds, rounds: Number(flags.rounds), quick: flags.quick }, say);
  say(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s of ${seconds.toFixed(0)} s`);
  for (const { goal, measured, is, bound, met } of results[name].goals) {
    const verdict = met === null ? "not measured" : met ? "met" : "missed";
    say(`  ${verdict.padEnd(12)} ${goal}: ${measured?.toFixed(2) ?? "-"} (at ${is} ${bound})`);
  }
  if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(results, rounded, 1)}\n`);
}
process.exit(0);

function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
}
