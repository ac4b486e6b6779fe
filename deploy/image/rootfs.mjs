/**
 * The image's root file system: node, the shared objects it needs, and who owns them, so that scanners find what is
 * inside; no shell, no package manager, nothing that could be run beside node. Runs inside the build image (Debian).
 *
 *   node deploy/image/rootfs.mjs --out DIRECTORY
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

const { out } = parseArgs({ options: { out: { type: "string" } } }).values;
if (!out) throw new Error("--out DIRECTORY is needed");

const read = (file, ...args) => execFileSync(file, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });

function put(path, text) {
  mkdirSync(dirname(join(out, path)), { recursive: true });
  writeFileSync(join(out, path), text);
}

function copy(from, to) {
  mkdirSync(dirname(join(out, to)), { recursive: true });
  copyFileSync(from, join(out, to));
}

// Debian's merged /usr: the loader's path in the program's header begins with /lib64.
for (const name of ["lib", "lib64"]) {
  mkdirSync(join(out, "usr", name), { recursive: true });
  symlinkSync(join("usr", name), join(out, name));
}

const node = realpathSync(process.execPath);
copy(node, "/usr/local/bin/node");
chmodSync(join(out, "usr/local/bin/node"), 0o755);

/** Each line names a library and where it lies: `libm.so.6 => /lib/… (0x…)`, or the loader alone. */
const libraries = read("ldd", node)
  .split("\n")
  .map((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1])
  .filter((path) => path !== undefined);
const owners = new Set();
for (const library of libraries) {
  // The name that is asked for, with the content behind it.
  const at = library.replace(/^\/lib/, "/usr/lib");
  copy(realpathSync(library), at);
  chmodSync(join(out, at), 0o755);
  const real = realpathSync(library);
  // dpkg knows a file by the path in its package, which may be from before /usr was merged.
  const owner = [real, real.replace(/^\/usr/, ""), library].map(ownerOf).find((name) => name !== undefined);
  if (owner === undefined) throw new Error(`no package owns ${library}`);
  owners.add(owner);
}

function ownerOf(path) {
  try {
    return /^([^:]+)/.exec(
      execFileSync("dpkg-query", ["-S", path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    )?.[1];
  } catch {
    return undefined;
  }
}

for (const name of owners) {
  put(`/var/lib/dpkg/status.d/${name}`, read("dpkg-query", "-s", name));
  try {
    copy(realpathSync(`/usr/share/doc/${name}/copyright`), `/usr/share/doc/${name}/copyright`);
  } catch (error) {
    // Slim images leave the folder out; the package's name and version still say where the text is.
    if (error.code !== "ENOENT") throw error;
  }
}
copy(realpathSync("/etc/os-release"), "/etc/os-release");
put("/etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nkeyframe:x:65532:65532:keyframe:/:/sbin/nologin\n");
put("/etc/group", "root:x:0:\nkeyframe:x:65532:\n");
put("/etc/nsswitch.conf", "hosts: files dns\n");
process.stdout.write(`node ${process.version}, ${libraries.length} libraries of ${[...owners].join(", ")}\n`);
