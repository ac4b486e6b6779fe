/**
 * What the fuzzer needs and npm does not bring: jazzer.js apart from the project's packages, and a C library that is new
 * enough for it. Where the machine's own is older, Debian 13's is unpacked into .cache and Node started through its
 * loader: the same programs as in a chroot, without being root and without a second system.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { debianMirror } from "../setup/debian.mjs";
import { alone, cache, isRoot, Missing, readText, root, run, say, tail, writeText } from "../setup/lib.mjs";

const RELEASE = "trixie";
const PACKAGES = ["libc6", "libstdc++6", "libgcc-s1"];
/** The C library that jazzer.js 4 was built for. */
const NEEDED = [2, 38];

const home = join(cache, "fuzz");

/** The fuzzer's command line program, installed as its lock file says. */
export async function jazzer() {
  const place = join(home, "jazzer");
  const program = join(place, "node_modules", "@jazzer.js", "core", "dist", "cli.js");
  const lock = join(root, "test", "fuzz", "jazzer", "package-lock.json");
  const upToDate = () => existsSync(program) && readText(join(place, "package-lock.json")) === readText(lock);
  if (upToDate()) return program;
  await alone("jazzer", async () => {
    if (upToDate()) return;
    say("installing the fuzzer into .cache");
    mkdirSync(place, { recursive: true });
    for (const file of ["package.json", "package-lock.json"]) {
      copyFileSync(join(root, "test", "fuzz", "jazzer", file), join(place, file));
    }
    const { code, output } = await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: place });
    if (code !== 0) {
      rmSync(place, { recursive: true, force: true });
      throw new Missing(
        `jazzer.js cannot be installed. Is a package registry configured and reachable?\n${tail(output)}`,
      );
    }
  });
  return program;
}

/** What stands before Node's arguments: Node itself, or the loader of a newer C library and then Node. */
export async function nodeCommand() {
  if (process.platform !== "linux") return [process.execPath];
  const version = process.report.getReport().header.glibcVersionRuntime;
  if (version === undefined) throw new Missing("The fuzzer's engine needs the GNU C library; this system has another.");
  const [major, minor] = version.split(".").map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return [process.execPath];
  const dir = join(home, "glibc");
  if (!existsSync(join(dir, ".complete"))) await alone("glibc", () => fetchLibrary(dir, version));
  const libraries = libraryDir(dir);
  const loader = readdirSync(libraries).find((file) => /^ld-linux.*\.so\.\d+$/.test(file));
  return [join(libraries, loader), "--library-path", libraries, process.execPath];
}

function libraryDir(dir) {
  const lib = join(dir, "usr", "lib");
  return join(
    lib,
    readdirSync(lib).find((name) => /-linux-gnu/.test(name)),
  );
}

async function fetchLibrary(dir, version) {
  if (existsSync(join(dir, ".complete"))) return;
  const missing = (why) =>
    new Missing(
      `The fuzzer's engine needs glibc ${NEEDED.join(".")} or newer; this machine has ${version}, and Debian 13's could not be had:\n${why}\nRun it on Debian 13, Ubuntu 24.04 or newer.`,
    );
  const mirror = debianMirror();
  if (!mirror) throw missing("this is no Debian-like system with apt sources of its release");
  say(`fetching ${PACKAGES.join(", ")} of Debian 13 into .cache`);
  const place = join(home, "apt");
  for (const part of ["lists/partial", "parts"]) mkdirSync(join(place, part), { recursive: true });
  const signedBy = mirror.signedBy ? `Signed-By: ${mirror.signedBy}\n` : "";
  writeText(
    join(place, "mirror.sources"),
    `Types: deb\nURIs: ${mirror.uri}\nSuites: ${RELEASE}\nComponents: main\n${signedBy}`,
  );
  const settings = {
    "Dir::Etc::sourcelist": join(place, "mirror.sources"),
    "Dir::Etc::sourceparts": join(place, "parts"),
    "Dir::State::lists": join(place, "lists"),
    "Dir::Cache": place,
    "Debug::NoLocking": "true",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    ...(isRoot ? { "APT::Sandbox::User": "root" } : {}),
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const env = { ...process.env, LC_ALL: "C" };
  const update = await run("apt-get", [...options, "update", "-q"], { env });
  if (update.code !== 0) throw missing(tail(update.output, 4));
  const get = await run("apt-get", [...options, "download", "-q", ...PACKAGES], { env, cwd: place });
  const archives = readdirSync(place).filter((file) => file.endsWith(".deb"));
  if (get.code !== 0 || archives.length < PACKAGES.length) throw missing(tail(get.output, 4));
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const file of archives) {
    const unpack = await run("dpkg-deb", ["-x", join(place, file), dir]);
    if (unpack.code !== 0) throw missing(tail(unpack.output, 4));
  }
  rmSync(place, { recursive: true, force: true });
  writeText(join(dir, ".complete"), `${archives.join("\n")}\n`);
}
