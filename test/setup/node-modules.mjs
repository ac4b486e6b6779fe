/** Brings node_modules to what package-lock.json says. Needs no package itself: it is the first step on a clean clone. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { alone, Missing, readText, root, run, say } from "./lib.mjs";

/** Whether every package of the lock file is installed in its version. npm writes what it installed into node_modules. */
function upToDate() {
  const wanted = JSON.parse(readText(join(root, "package-lock.json")) ?? "{}").packages ?? {};
  const text = readText(join(root, "node_modules", ".package-lock.json"));
  if (text === undefined) return false;
  const installed = JSON.parse(text).packages ?? {};
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const there = installed[path];
    // Binaries for other platforms are optional and absent.
    if (there === undefined && entry.optional) continue;
    if (there?.version !== entry.version || !existsSync(join(root, path))) return false;
  }
  return true;
}

/** Runs npm: the one that runs this script where there is one, else the one in PATH. */
function npm(...words) {
  const own = process.env.npm_execpath;
  const args = [...words, "--no-audit", "--no-fund"];
  return own && /\.[cm]?js$/.test(own)
    ? run(process.execPath, [own, ...args], { cwd: root })
    : run("npm", args, { cwd: root });
}

/** What npm complained of: its help text comes last, the reason first. */
function reason(output) {
  const lines = output.split("\n").filter((line) => line.startsWith("npm error"));
  return lines.slice(0, 12).join("\n") || output.slice(0, 2000);
}

export async function setUpNodeModules() {
  if (upToDate()) return;
  await alone("node-modules", async () => {
    if (upToDate()) return;
    say("installing the npm packages of package-lock.json");
    const clean = await npm("ci");
    if (clean.code === 0) return;
    // npm ci refuses a lock file that lacks a package for some other platform, as one written against a registry that has
    // not got them all does. npm install keeps to the locked versions and needs only this platform's.
    say("npm ci refuses the lock file; installing its versions with npm install, without saving");
    const plain = await npm("install", "--no-save");
    if (plain.code === 0) return;
    const found = `npm ci:\n${reason(clean.output)}\nnpm install:\n${reason(plain.output)}`;
    throw new Missing(
      `The npm packages cannot be installed. Is a package registry configured and reachable?\n${found}`,
    );
  });
}
