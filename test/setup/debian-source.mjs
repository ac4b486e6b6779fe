/**
 * Upstream sources from Debian's source packages, without deb-src lines in the machine's own configuration and without
 * dpkg-dev: apt checks the files against the signed index; only the .orig tarball is unpacked, unpatched.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { privateApt } from "./debian.mjs";
import { run, say, tail } from "./lib.mjs";

/**
 * Unpacks one folder of a package's upstream source.
 *
 * @param {string} name the source package
 * @param {string} folder the folder wanted, from the top of the source
 * @param {string} home where a folder `<name>-<version>` with it is made
 * @returns {Promise<{ failed: string } | { version: string }>} the upstream version
 */
export async function fetchDebianSource(name, folder, home) {
  const { failed, place, apt } = await privateApt("apt-source", "deb-src");
  if (failed !== undefined) return { failed };
  const download = mkdtempSync(join(place, "archives", `${name}-`));
  try {
    const get = await apt(["source", "-q", "--tar-only", "--download-only", name], download);
    const tarball = readdirSync(download).find((file) => file.startsWith(`${name}_`) && /\.orig\.tar\.\w+$/.test(file));
    if (get.code !== 0 || tarball === undefined) return { failed: `the source of ${name}: ${tail(get.output, 4)}` };
    // What Debian takes out of a tarball for its licence shows in the name: 8.0.1+dfsg1.
    const version = tarball.slice(name.length + 1).replace(/(\+[a-z0-9]+)?\.orig\.tar\.\w+$/, "");
    const source = join(home, `${name}-${version}`);
    rmSync(source, { recursive: true, force: true });
    mkdirSync(source, { recursive: true });
    const only = ["--strip-components=1", "--wildcards", `*/${folder}`];
    const unpack = await run("tar", ["-xf", join(download, tarball), "-C", source, ...only]);
    if (unpack.code !== 0) return { failed: `${tarball}: ${tail(unpack.output, 4)}` };
    say(`unpacked ${folder} of ${tarball}`);
    return { version };
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
}
