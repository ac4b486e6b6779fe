/**
 * Fills V8's compile cache for the image: starts what the image starts, as the user that it runs as, and ends it, which
 * writes the compiled code. A third less CPU at each start (docs/PERFORMANCE.md). The cache is bound to this node, to the
 * bundle's path and to the user's number: under another user everything works, only without it.
 *
 *   node deploy/image/warm.mjs --app DIRECTORY --cache DIRECTORY --user NUMBER     as root, after bundle.mjs
 */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { app, cache, user } = parseArgs({
  options: { app: { type: "string" }, cache: { type: "string" }, user: { type: "string" } },
}).values;
if (!app || !cache || !user) throw new Error("--app, --cache and --user are needed");
const uid = Number(user);

mkdirSync(cache, { recursive: true });
chownSync(cache, uid, uid);

/** Runs a command of the program; `until` ends it once that word is printed. Resolves when it has ended. */
function run(args, env, until) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join("dist", "main.js"), ...args], {
      cwd: app,
      uid,
      gid: uid,
      // Compiled code is of use under the flags under which it was compiled only: those of the Dockerfile.
      env: { NODE_ENV: "production", NODE_COMPILE_CACHE: cache, NODE_OPTIONS: "--max-semi-space-size=2", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (text) => {
      said += text;
      if (until && said.includes(until)) child.kill("SIGTERM");
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (until && !said.includes(until))
        reject(new Error(`${args[0]} ended with ${code} and without ${until}:\n${said}`));
      else resolve(code);
    });
  });
}

// Nobody listens on port 1: the sidecar starts all the same, and says so.
const addresses = { KEYFRAME_LISTEN: "127.0.0.1:0", KEYFRAME_ADMIN: "127.0.0.1:0" };
await run(["sidecar"], { ...addresses, KEYFRAME_UPSTREAM: "redis://127.0.0.1:1/0" }, '"upstream-down"');
await run(["healthcheck"], { KEYFRAME_ADMIN: "127.0.0.1:1" });

/** The image's user reads it and nobody changes it. */
function seal(path) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) seal(inside);
    else chmodSync(inside, 0o644);
    chownSync(inside, 0, 0);
  }
  chmodSync(path, 0o755);
  chownSync(path, 0, 0);
}
seal(cache);
const files = readdirSync(cache, { recursive: true }).length;
if (files < 4) throw new Error(`the compile cache holds only ${files} files`);
process.stdout.write(`${files} files of compiled code\n`);
