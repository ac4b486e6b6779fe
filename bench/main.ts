/**
 * `npm run bench [-- --only a,b] [--quick] [--out DIR]`: every figure that a user decides on, measured side by side on this
 * machine in under 25 minutes, written as `<date>-<commit>.json`, `.md` and SVG plots into bench/results, and printed.
 *
 *   --only a,b        these sections only
 *   --quick           everything in small, about four minutes
 *   --out DIR         another place than bench/results
 *   --quote FILE      measures nothing: brings the tables in README.md and docs up to date from a run's JSON
 *
 * Ends with code 1 where a section failed. A goal that was missed is no failure; the report says so.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { parseArgs } from "node:util";
import { inRoot } from "../test/support/root.js";
import { startServer } from "../test/support/server.js";
import { lookAtMachine } from "./suite/machine.js";
import { quotable, quote } from "./suite/quote.js";
import { markdownReport, type Run, runName, show, writeRun } from "./suite/report.js";
import { runSection } from "./suite/run.js";
import { sections } from "./suite/sections.js";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    out: { type: "string", default: inRoot("bench", "results") },
    quote: { type: "string" },
  },
});
const say = (line: string) => process.stdout.write(`${line}\n`);

/** Documents that quote figures. */
const DOCUMENTS = ["README.md", "docs/PERFORMANCE.md"];

function bringUpToDate(file: string): number {
  const run = JSON.parse(readFileSync(file, "utf8")) as Run;
  const shown = show(run, sections);
  let missing = 0;
  for (const document of DOCUMENTS) {
    const path = inRoot(document);
    const up = document.includes("/") ? "../" : "";
    const { text, unknown } = quote(
      readFileSync(path, "utf8"),
      quotable(shown, `${up}bench/results/${basename(file, ".json")}`),
    );
    writeFileSync(path, text);
    missing += unknown.length;
    for (const name of unknown) say(`${document}: ${basename(file)} has no table ${name}`);
  }
  return missing === 0 ? 0 : 1;
}

async function measure(): Promise<number> {
  const wanted = flags.only?.split(",");
  const unknown = wanted?.filter((name) => !sections.some((one) => one.name === name)) ?? [];
  if (unknown.length > 0) {
    say(`no section ${unknown.join(", ")}; there are: ${sections.map(({ name }) => name).join(", ")}`);
    return 1;
  }
  const server = await startServer();
  const on = `${server.kind} ${server.version}`;
  await server.stop();
  const began = performance.now();
  // Where the files went is nobody else's business.
  const told = process.argv.slice(2).filter((word, i, all) => !/^--out/.test(word) && all[i - 1] !== "--out");
  const command = ["npm run bench", ...(told.length > 0 ? ["--", ...told] : [])].join(" ");
  const run: Run = { command, machine: lookAtMachine(on), quick: flags.quick, seconds: 0, sections: [] };
  for (const section of sections) {
    if (wanted !== undefined && !wanted.includes(section.name)) continue;
    run.sections.push(await runSection(section, flags.quick, say));
    run.seconds = (performance.now() - began) / 1000;
    // After each: a run that is ended early has written what it has made.
    writeRun(run, show(run, sections), flags.out);
  }
  const shown = show(run, sections);
  const written = writeRun(run, shown, flags.out);
  say(`\n${markdownReport(run, shown)}`);
  say(`${runName(run)}: ${written.map((path) => relative(process.cwd(), path)).join(" ")}`);
  return run.sections.some(({ failure }) => failure !== undefined) ? 1 : 0;
}

// Whatever a failed section has left open must not keep the process alive; children end with it.
process.exit(flags.quote === undefined ? await measure() : bringUpToDate(flags.quote));
