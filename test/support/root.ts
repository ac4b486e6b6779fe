/**
 * Where the project stands on this machine. Compiled tests run from build/test/…, sources lie in test/…:
 * both find the root by walking up to package.json.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function findRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, "package.json"))) {
    const up = dirname(dir);
    if (up === dir) throw new Error("no package.json above the test support files");
    dir = up;
  }
  return dir;
}

/** Absolute path of the project. */
export const root: string = findRoot();

/** Absolute path of something inside the project. */
export function inRoot(...parts: string[]): string {
  return join(root, ...parts);
}
