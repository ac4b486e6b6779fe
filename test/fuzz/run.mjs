/**
 * Coverage-guided fuzzing: `npm run fuzz -- [--seconds N] [--target NAME]… [--keep]`. Runs jazzer.js (libFuzzer) over the
 * compiled targets, each for N seconds (60), from the kept corpus, the seeds and what earlier runs left in .cache. Ends
 * with code 1 at the first finding, whose input is saved; else with a table of executions. --keep chooses the corpus anew.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { cache, Missing, root, run } from "../setup/lib.mjs";
import { jazzer, nodeCommand } from "./tools.mjs";

const built = join(root, "build", "test", "fuzz");
const home = join(cache, "fuzz");
const all = readdirSync(join(root, "test", "fuzz", "targets")).map((file) => file.replace(/\.ts$/, ""));

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    target: { type: "string", multiple: true, default: all },
    keep: { type: "boolean", default: false },
  },
});

/** Runs one target to the end of its time or to its first finding. Resolves with what the fuzzer said of itself. */
function fuzz(command, program, target, seconds) {
  const work = join(home, "work", target);
  const findings = join(home, "findings", target);
  const kept = join(root, "test", "fuzz", "corpus", target);
  for (const dir of [work, findings]) mkdirSync(dir, { recursive: true });
  const [node, ...before] = command;
  const args = [
    ...[...before, program, join(built, "targets", `${target}.js`), work, join(home, "seeds", target)],
    ...(existsSync(kept) ? [kept] : []),
    // The targets' own checks are what counts; what they call must be measured, not they themselves.
    ...["--sync", "--disableBugDetectors=.*", "--includes=build/src/", "--excludes=node_modules"],
    ...["--", `-max_total_time=${seconds}`, "-max_len=4096", "-timeout=20", "-rss_limit_mb=1024"],
    ...["-print_final_stats=1", `-artifact_prefix=${findings}/`],
  ];
  // Into a file: the fuzzer's own writes to a pipe that Node has made non-blocking are lost where the pipe is full.
  const log = join(home, "logs", `${target}.log`);
  mkdirSync(join(home, "logs"), { recursive: true });
  const to = openSync(log, "w");
  return new Promise((resolve) => {
    const child = spawn(node, args, { cwd: root, stdio: ["ignore", to, to] });
    const stop = () => child.kill("SIGKILL");
    process.once("exit", stop);
    child.on("close", (code) => {
      process.off("exit", stop);
      closeSync(to);
      resolve({ code, output: readFileSync(log, "utf8") });
    });
  });
}

const number = (output, pattern) => Number(pattern.exec(output)?.[1] ?? Number.NaN);
const row = (...cells) =>
  process.stdout.write(`| ${cells.map((cell, i) => (i ? cell.padStart(11) : cell.padEnd(14))).join(" | ")} |\n`);

async function main() {
  const seconds = Number(values.seconds);
  const unknown = values.target.filter((target) => !all.includes(target));
  if (unknown.length > 0) throw new Missing(`no target ${unknown.join(", ")}; there are ${all.join(", ")}`);
  if (!(seconds > 0)) throw new Missing("--seconds is a number above 0");
  const program = await jazzer();
  const command = await nodeCommand();
  const seeded = await run(process.execPath, [join(built, "seeds.js"), join(home, "seeds")]);
  if (seeded.code !== 0) throw new Missing(`the seeds could not be made: npm run build:all\n${seeded.output}`);

  row("target", "executions", "a second", "edges", "features", "inputs");
  row("---", "---:", "---:", "---:", "---:", "---:");
  for (const target of values.target) {
    const { code, output } = await fuzz(command, program, target, seconds);
    const executions = number(output, /stat::number_of_executed_units:\s*(\d+)/);
    const saved = /Test unit written to (\S+)/.exec(output)?.[1];
    if (code !== 0 || saved !== undefined || !(executions > 0)) {
      process.stdout.write(
        `${output
          .split("\n")
          .filter((line) => !/^#\d/.test(line))
          .slice(-60)
          .join("\n")}\n`,
      );
      process.stdout.write(
        `\n${target}: ${saved ? `a finding, its input is ${relative(root, saved)}` : `ended with ${code}`}\n`,
      );
      process.exitCode = 1;
      return;
    }
    const [edges, features, inputs] = [/cov: (\d+)/g, /ft: (\d+)/g, /corp: (\d+)/g].map(
      (pattern) => [...output.matchAll(pattern)].at(-1)?.[1] ?? "?",
    );
    row(target, executions.toLocaleString("en"), String(Math.round(executions / seconds)), edges, features, inputs);
  }
  if (!values.keep) return;
  for (const target of values.target) {
    const kept = join(root, "test", "fuzz", "corpus", target);
    const from = [join(home, "work", target), join(home, "seeds", target), kept].filter((dir) => existsSync(dir));
    const chosen = await run(process.execPath, [join(built, "keep.js"), target, ...from, kept]);
    process.stdout.write(chosen.output);
    if (chosen.code !== 0) process.exitCode = 1;
    rmSync(join(home, "work", target), { recursive: true, force: true });
  }
}

// The fuzzer ends with us, also where only we are told to.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(130));

await main().catch((error) => {
  if (!(error instanceof Missing)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
