// Open WebUI from PyPI: which release is the newest, and one virtual environment for each under .cache/owui.

import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isRoot, Missing, say, which } from "../setup/lib.mjs";
import { run } from "./processes.mjs";

/** Open WebUI takes 3.11 and 3.12; some releases do not take later ones. */
const WANTED = ["3.11", "3.12"];

/** What the releases need beside themselves for PostgreSQL (0.9 and 0.12 ask for different drivers). */
const DRIVERS = ["psycopg[binary]", "psycopg2-binary"];

/** An interpreter of a wanted version, else that version's number for uv to fetch one. */
export async function findPython() {
  // A name may be a shim without that version behind it, so each is asked.
  for (const name of [...WANTED.map((version) => `python${version}`), "python3"]) {
    const told = await run(name, ["-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"]).catch(
      () => "",
    );
    const [version, path] = told.trim().split(" ");
    if (WANTED.includes(version)) return path;
  }
  return WANTED[0];
}

/** The `uv` on PATH, or one installed into a small environment of its own under .cache. */
export async function findUv(cache) {
  if (which("uv")) return which("uv");
  const home = join(cache, "owui/uv-tool");
  const uv = join(home, "bin/uv");
  if (existsSync(uv)) return uv;
  await mkdir(join(cache, "owui"), { recursive: true });
  const make = () => run("python3", ["-m", "venv", "--clear", home]);
  await make().catch(async (error) => {
    if (!isRoot || !which("apt-get"))
      throw new Missing(`uv, or python3 with its venv module, is needed:\n${error.message}`);
    say("installing Debian's python3-venv");
    await run("apt-get", ["update", "-q"]);
    await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", "python3", "python3-venv"]);
    await make();
  });
  await run(join(home, "bin/python"), ["-m", "pip", "install", "--quiet", "uv"]);
  return uv;
}

/** The newest release of Open WebUI that the package index offers, without pre-releases. */
export async function newestRelease(uv, python) {
  const args = ["pip", "compile", "-", "--no-deps", "--no-header", "--upgrade", "--python", python];
  const plan = await run(uv, args, { input: "open-webui\n" });
  const version = /^open-webui==(\S+)/m.exec(plan)?.[1];
  if (!version) throw new Error(`no release of open-webui found in: ${plan}`);
  return version;
}

/**
 * Prepares the virtual environment of a release, once. Resolves to the path of its interpreter.
 * An environment counts as ready only when its installation ended well, so an interrupted one is built again.
 */
export async function prepareRelease(version, { uv, python, cache }) {
  const home = join(cache, "owui", version);
  const interpreter = join(home, "bin/python");
  const mark = join(home, ".ready");
  if (existsSync(mark)) return interpreter;
  say(`installing open-webui ${version} (about a minute and 7 GB of disk)`);
  await rm(home, { recursive: true, force: true });
  await run(uv, ["venv", "--quiet", "--python", python, home]);
  await run(uv, ["pip", "install", "--quiet", "--python", interpreter, `open-webui==${version}`, ...DRIVERS]);
  // Renamed into place: a half-written mark is no mark.
  await writeFile(`${mark}.new`, `${new Date().toISOString()}\n`);
  await rename(`${mark}.new`, mark);
  return interpreter;
}
