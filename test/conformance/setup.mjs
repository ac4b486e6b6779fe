// Set-up of the conformance run on a fresh machine: redis-py's source distribution (its tests are in no wheel) and a
// virtual environment with redis-py built from it. Everything lands in .cache/conformance; a second run does nothing.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { alone, cache, isRoot, Missing, readText, run, say, tail, writeText } from "../setup/lib.mjs";

export const REDIS_PY = "8.1.0";
const SDIST_SHA256 = "6e1a19beef9225c83efd689c7e6b7da2d5215b1f42cd13b7fc3714d0a09c7b25";

const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url));
const home = join(cache, "conformance");
const suite = join(home, `redis-${REDIS_PY}`);
const venv = join(home, "venv");
const python = join(venv, "bin/python");
const stamp = join(venv, ".installed");

/**
 * Makes the suite ready to run.
 *
 * @returns {Promise<{ python: string, suite: string }>} the interpreter of the virtual environment, and the unpacked
 *   source distribution (the folder that holds `tests/`)
 * @throws {Missing} when Python, its venv module or a package cannot be had
 */
export async function setUpSuite() {
  const wanted = `${REDIS_PY}\n${readFileSync(requirements, "utf8")}`;
  const ready = () => readText(stamp) === wanted && existsSync(join(suite, "tests"));
  if (ready()) return { python, suite };
  await alone("conformance", async () => {
    if (ready()) return;
    say(`fetching redis-py ${REDIS_PY} and what its tests need`);
    mkdirSync(home, { recursive: true });
    await makeVenv();
    const sdist = await fetchSdist();
    rmSync(suite, { recursive: true, force: true });
    await must("tar", ["-xzf", sdist, "-C", home]);
    await must(python, ["-m", "pip", "install", "--quiet", "--no-input", sdist, "-r", requirements]);
    writeText(stamp, wanted);
  });
  return { python, suite };
}

async function makeVenv() {
  rmSync(venv, { recursive: true, force: true });
  const interpreter = process.env.KEYFRAME_TEST_PYTHON ?? "python3";
  if ((await run(interpreter, ["-m", "venv", venv])).code === 0) return;
  // Debian keeps the venv module in a package of its own.
  if (isRoot) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env });
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "python3", "python3-venv"], { env });
  }
  rmSync(venv, { recursive: true, force: true });
  await must(interpreter, ["-m", "venv", venv]);
}

async function fetchSdist() {
  const file = join(home, `redis-${REDIS_PY}.tar.gz`);
  if (!existsSync(file)) {
    const source = ["--no-deps", "--no-binary", "redis", "--dest", home, `redis==${REDIS_PY}`];
    await must(python, ["-m", "pip", "download", "--quiet", "--no-input", ...source]);
  }
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  if (digest !== SDIST_SHA256) {
    rmSync(file);
    throw new Missing(`redis-${REDIS_PY}.tar.gz has SHA-256 ${digest}, expected ${SDIST_SHA256}`);
  }
  return file;
}

async function must(file, args) {
  const { code, output } = await run(file, args);
  if (code !== 0) throw new Missing(`${file} ${args.join(" ")} failed:\n${tail(output)}`);
}
