// Runs redis-py's suite once against one port and reads back what each test came to.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./processes.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));

export const FILES = [
  "tests/test_pubsub.py",
  "tests/test_asyncio/test_pubsub.py",
  "tests/test_pipeline.py",
  "tests/test_lock.py",
  "tests/test_scripting.py",
  "tests/test_asyncio/test_scripting.py",
];
const MARKS = "not onlycluster and not redismod and not ssl";

/**
 * Runs tests of the suite against 127.0.0.1:`port`.
 *
 * @param {{ python: string, suite: string }} where from setUpSuite()
 * @param {number} port where the tests connect
 * @param {string[]} tests files or node ids
 * @param {number} limitMs the whole run's time limit; tests that have not ended by then have no outcome
 * @param {(done: number) => void} [onProgress] called after each test with the number ended so far
 * @returns {Promise<{ outcomes: Map<string, { outcome: string, seconds: number, reason: string }>, seconds: number,
 *   cut: boolean, tail: string[] }>} `outcomes` by node id; `cut`: the time limit ended it
 */
export async function runLeg(where, port, tests, limitMs) {
  const folder = mkdtempSync(join(tmpdir(), "keyframe-conformance-"));
  const file = join(folder, "outcomes.jsonl");
  const began = Date.now();
  const url = `redis://127.0.0.1:${port}/0`;
  const args = ["-m", "pytest", "-q", "-p", "outcomes", "-p", "no:cacheprovider", "-m", MARKS, "--redis-url", url];
  const run = launch(where.python, [...args, ...tests], {
    cwd: where.suite,
    env: { ...process.env, PYTHONPATH: here, PYTHONDONTWRITEBYTECODE: "1", CONFORMANCE_OUTCOMES: file },
  });
  let cut = false;
  const limit = setTimeout(() => {
    cut = true;
    run.stop();
  }, limitMs);
  await run.exited;
  clearTimeout(limit);
  const outcomes = new Map();
  if (existsSync(file)) {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      if (line === "") continue;
      const { id, ...rest } = JSON.parse(line);
      outcomes.set(id, rest);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  return { outcomes, seconds: (Date.now() - began) / 1000, cut, tail: run.tail };
}
