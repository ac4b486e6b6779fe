// A program of a Debian package, unpacked into .cache instead of installed: no root, no service started.

import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fetchDebian } from "../../test/setup/debian.mjs";
import { alone, cache, Missing, say } from "../../test/setup/lib.mjs";

/**
 * @param {string} name the package
 * @param {string} path of the program inside the package
 * @returns {Promise<{ file: string, env: NodeJS.ProcessEnv }>} run `file` with `env`
 * @throws {Missing} when the package cannot be had
 */
export async function debianProgram(name, path) {
  const home = join(cache, "debian", name);
  const file = join(home, path);
  await alone(`debian-${name}`, async () => {
    if (existsSync(file)) return;
    say(`fetching Debian's ${name} into .cache`);
    const failed = await fetchDebian([name], home);
    if (failed !== undefined) throw new Missing(`${name} could not be fetched (${failed}): install it by hand`);
  });
  const libraries = ["usr/lib", "lib"]
    .map((base) => join(home, base))
    .filter((base) => existsSync(base))
    .flatMap((base) => [
      base,
      ...readdirSync(base)
        .filter((one) => one.includes("-linux-"))
        .map((one) => join(base, one)),
    ]);
  const inherited = process.env.LD_LIBRARY_PATH;
  if (inherited) libraries.push(inherited);
  return { file, env: { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter) } };
}
