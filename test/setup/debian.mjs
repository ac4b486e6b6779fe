/**
 * Debian packages without installing them: index and archives go into a private place under .cache, with the mirror
 * that the machine's own apt sources name, plus its backports; the packages are unpacked beside it. Works without root.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, isRoot, readText, run, say, tail, which, writeText } from "./lib.mjs";

function codename() {
  return /^VERSION_CODENAME="?([a-z]+)/m.exec(readText("/etc/os-release") ?? "")?.[1];
}

/** The stanzas of the configured sources: { uri, suites, components, signedBy }. Both formats, enabled entries only. */
function configuredSources() {
  const texts = [["/etc/apt/sources.list", readText("/etc/apt/sources.list") ?? ""]];
  try {
    for (const file of readdirSync("/etc/apt/sources.list.d")) {
      const path = join("/etc/apt/sources.list.d", file);
      texts.push([path, readText(path) ?? ""]);
    }
  } catch {
    // No such directory: the one file is all there is.
  }
  const sources = [];
  for (const [path, text] of texts) {
    if (path.endsWith(".sources")) {
      for (const stanza of text.split(/\n\s*\n/)) {
        const field = (name) => new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(stanza)?.[1]?.trim();
        const uri = field("URIs")?.split(/\s+/)[0];
        if (!uri || field("Enabled") === "no" || !/\bdeb\b/.test(field("Types") ?? "")) continue;
        sources.push({
          uri,
          suites: (field("Suites") ?? "").split(/\s+/),
          components: field("Components") ?? "main",
          signedBy: field("Signed-By"),
        });
      }
    } else {
      for (const line of text.split("\n")) {
        const match = /^deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim());
        if (!match) continue;
        const signedBy = /signed-by=(\S+)/i.exec(match[1] ?? "")?.[1];
        sources.push({ uri: match[2], suites: [match[3]], components: match[4], signedBy });
      }
    }
  }
  return sources;
}

/** Whether this machine has what `fetchDebian` needs: apt, dpkg and a source for its own release. */
export function debianMirror() {
  const release = codename();
  if (!release || !which("apt-get") || !which("dpkg-deb")) return undefined;
  const source = configuredSources().find((entry) => entry.suites.includes(release));
  return source && { ...source, release };
}

/**
 * apt-get with an index, a configuration and a cache of its own under .cache, the index brought up to date.
 *
 * @param {string} name the folder's name in .cache
 * @param {"deb" | "deb-src"} types what the index is of
 * @returns {Promise<{ failed: string } | { place: string, apt: (words: string[], cwd?: string) => Promise<{ code: number, output: string }> }>}
 */
export async function privateApt(name, types) {
  const mirror = debianMirror();
  if (!mirror) return { failed: "this is no Debian-like system with apt sources of its release" };
  const place = join(cache, name);
  for (const dir of ["lists/partial", "archives/partial", "parts"]) mkdirSync(join(place, dir), { recursive: true });
  const { release, uri, components, signedBy } = mirror;
  const stanza = (suites) =>
    `Types: ${types}\nURIs: ${uri}\nSuites: ${suites}\nComponents: ${components}\n${signedBy ? `Signed-By: ${signedBy}\n` : ""}`;
  const options = [
    ...[
      "-o",
      `Dir::Etc::sourcelist=${join(place, "mirror.sources")}`,
      "-o",
      `Dir::Etc::sourceparts=${join(place, "parts")}`,
    ],
    ...["-o", `Dir::State::lists=${join(place, "lists")}`, "-o", `Dir::Cache=${place}`],
    ...["-o", `Dir::Cache::archives=${join(place, "archives")}`, "-o", "Debug::NoLocking=true"],
    ...["-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3"],
    ...["-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"],
    ...["-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false"],
    ...(isRoot ? ["-o", "APT::Sandbox::User=root"] : []),
  ];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const apt = (words, cwd) => run("apt-get", [...options, ...words], { env, cwd });
  // Some mirrors have no backports; then the release itself must do.
  let update;
  for (const suites of [`${release} ${release}-backports`, release]) {
    writeText(join(place, "mirror.sources"), stanza(suites));
    update = await apt(["update", "-q"]);
    if (update.code === 0 && !/^(Err:|E: )/m.test(update.output)) break;
  }
  if (update.code !== 0) return { failed: `the package index could not be had:\n${tail(update.output, 4)}` };
  return { place, apt };
}

/**
 * Downloads packages and those of their dependencies that the machine lacks, and unpacks all into `target`.
 * Returns undefined when done, else the reason why it could not be.
 */
export async function fetchDebian(packages, target) {
  const { failed, place, apt } = await privateApt("apt", "deb");
  if (failed !== undefined) return failed;
  rmSync(join(place, "archives"), { recursive: true, force: true });
  mkdirSync(join(place, "archives", "partial"), { recursive: true });
  const get = await apt([
    ...["install", "-q", "-y", "--no-install-recommends", "--download-only", "--reinstall"],
    ...packages,
  ]);
  const archives = readdirSync(join(place, "archives")).filter((file) => file.endsWith(".deb"));
  if (get.code !== 0 || archives.length === 0) return `${packages.join(", ")}: ${tail(get.output, 4)}`;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const file of archives) {
    const unpack = await run("dpkg-deb", ["-x", join(place, "archives", file), target]);
    if (unpack.code !== 0) return `${file}: ${tail(unpack.output, 4)}`;
  }
  say(`unpacked ${archives.map((file) => file.replace(/_[^_]*$/, "")).join(", ")}`);
  return undefined;
}
