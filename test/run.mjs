/**
 * Runs compiled tests with node's own runner: `node test/run.mjs [unit] [scenario] [peers] [text…]`. Words that name a
 * directory of test/ choose it (all three by default), other words keep the files whose path contains one of them.
 * Node 20 takes no glob after --test, so the files are listed here. Closing lines are the runner's own.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const areas = ["unit", "scenario", "peers"];
const words = process.argv.slice(2);
const chosen = words.filter((word) => areas.includes(word));
const filters = words.filter((word) => !areas.includes(word));

const files = [];
for (const area of chosen.length > 0 ? chosen : areas) {
  const from = join(root, "build", "test", area);
  if (!existsSync(from)) continue;
  for (const name of readdirSync(from, { recursive: true }).sort()) {
    if (!name.endsWith(".test.js")) continue;
    // A test that was renamed or removed leaves its old compiled form behind.
    if (!existsSync(join(root, "test", area, name.replace(/\.js$/, ".ts")))) continue;
    const path = join(from, name);
    if (filters.length === 0 || filters.some((word) => path.includes(word))) files.push(relative(root, path));
  }
}
if (files.length === 0) {
  process.stderr.write("no compiled test files match: run npm run build:all first\n");
  process.exit(1);
}

// Servers, sidecars and Python peers share the machine with the tests: two files at a time, whatever it has.
const child = spawn(
  process.execPath,
  [
    "--enable-source-maps",
    "--test",
    "--test-concurrency=2",
    `--test-reporter=${process.stdout.isTTY ? "spec" : "tap"}`,
    "--test-timeout=300000",
    // Node 20 now and then spins for good while it takes its handles apart at the end of a file whose tests have all passed.
    "--test-force-exit",
    ...files,
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));
