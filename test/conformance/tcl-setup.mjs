// Set-up of the TCL suites: the tests/ of a server's own source, the server of the very same version, and tclsh. The
// suites check what their version does, so the two must match: the server of the other tests where Debian has its
// source, else Redis from Debian, source and server. Everything lands in .cache/tcl; a second run does nothing.

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fetchDebian } from "../setup/debian.mjs";
import { fetchDebianSource } from "../setup/debian-source.mjs";
import { alone, cache, isRoot, Missing, readText, run, say, tail, which, writeText } from "../setup/lib.mjs";
import { serverBinaries, setUpServer } from "../setup/server.mjs";

const home = join(cache, "tcl");
const stamp = join(home, "suite.json");

/**
 * @typedef {{ tclsh: string, source: string, name: string, binaries: { server: string, env: NodeJS.ProcessEnv } }} Where
 *   `source`: the folder that holds `tests/`; `name`: what the server calls itself, "redis 7.0.15"
 */

/**
 * Makes the suites ready to run. $KEYFRAME_TEST_SOURCE may name an unpacked source of $KEYFRAME_TEST_SERVER's version.
 *
 * @returns {Promise<Where>}
 * @throws {Missing} when tclsh, the source or its server cannot be had
 */
export async function setUpTcl() {
  const tclsh = await findTclsh();
  await setUpServer();
  const own = serverBinaries();
  const ownName = await nameOf(own);
  const given = process.env.KEYFRAME_TEST_SOURCE;
  if (given) {
    if (existsSync(join(given, "tests/test_helper.tcl"))) return { tclsh, source: given, name: ownName, binaries: own };
    throw new Missing(`KEYFRAME_TEST_SOURCE=${given} has no tests/test_helper.tcl`);
  }
  const found = () => {
    const suite = JSON.parse(readText(stamp) ?? "{}");
    const source = join(home, suite.source ?? "");
    if (suite.chosenFor !== ownName || !existsSync(join(source, "tests/test_helper.tcl"))) return undefined;
    if (suite.server === null) return { tclsh, source, name: suite.name, binaries: own };
    const binaries = unpackedServer(suite.server);
    return existsSync(binaries.server) ? { tclsh, source, name: suite.name, binaries } : undefined;
  };
  if (found() === undefined) {
    // The lock of the server's set-up: both use the same private apt.
    await alone("server", async () => {
      if (found() === undefined) await fetchSuite(ownName);
    });
  }
  return found();
}

async function fetchSuite(ownName) {
  mkdirSync(home, { recursive: true });
  const reasons = [];
  for (const kind of new Set([ownName.split(" ")[0], "redis"])) {
    say(`fetching the tests of ${kind}'s source`);
    const { failed, version } = await fetchDebianSource(kind, "tests", home);
    if (failed !== undefined) {
      reasons.push(failed);
      continue;
    }
    const suite = { chosenFor: ownName, name: `${kind} ${version}`, source: `${kind}-${version}`, server: null };
    if (suite.name !== ownName) {
      suite.server = `${kind}-server`;
      const folder = join(home, suite.server);
      const notFetched = await fetchDebian([`${kind}-server`, `${kind}-tools`], folder);
      const name = notFetched ?? (await nameOf(unpackedServer(suite.server)));
      if (name !== suite.name) {
        reasons.push(`a server for the tests of ${suite.name}: ${name}`);
        continue;
      }
    }
    if (reasons.length > 0) say(`the tests are those of ${suite.name}, because: ${reasons.join("; ")}`);
    writeText(stamp, `${JSON.stringify(suite, undefined, 2)}\n`);
    return;
  }
  throw new Missing(
    `The TCL suites need the source of a Valkey or Redis server (KEYFRAME_TEST_SOURCE may name one, unpacked, of
KEYFRAME_TEST_SERVER's version), or Debian's source packages:\n${reasons.join("\n")}`,
  );
}

/** A server among unpacked packages, to be run with the libraries beside it. */
function unpackedServer(folder) {
  const root = join(home, folder);
  const libraries = ["usr/lib", "lib"].flatMap((base) => {
    const at = join(root, base);
    const names = existsSync(at) ? readdirSync(at).filter((name) => /-linux-/.test(name)) : [];
    return names.map((name) => join(at, name));
  });
  const inherited = process.env.LD_LIBRARY_PATH;
  const LD_LIBRARY_PATH = [...libraries, ...(inherited ? [inherited] : [])].join(delimiter);
  return { server: join(root, "usr/bin", folder), env: { ...process.env, LD_LIBRARY_PATH } };
}

/** "redis 7.0.15", from what the program says of itself. */
async function nameOf({ server, env }) {
  const { output } = await run(server, ["--version"], { env });
  const match = /(Valkey|Redis) server v=(\S+)/.exec(output);
  if (match === null) throw new Missing(`${server} does not say what it is: ${tail(output, 2)}`);
  return `${match[1].toLowerCase()} ${match[2]}`;
}

async function findTclsh() {
  const names = ["tclsh8.6", "tclsh", "tclsh8.7", "tclsh8.5"];
  const there = () => names.map((name) => which(name)).find((path) => path !== undefined);
  if (there() === undefined && isRoot && which("apt-get")) {
    say("installing Debian's tcl");
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env });
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "tcl"], { env });
  }
  const found = there();
  if (found === undefined)
    throw new Missing("The TCL suites need tclsh 8.5 or 8.6 (Debian, Ubuntu: apt-get install tcl)");
  return found;
}
