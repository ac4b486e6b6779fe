/** The version, from the package.json that lies some folders above this file, in the repository and in the image alike. */
import { existsSync, readFileSync } from "node:fs";

export function version(): string {
  for (let up = "../"; up.length <= "../../../../".length; up += "../") {
    const file = new URL(`${up}package.json`, import.meta.url);
    if (!existsSync(file)) continue;
    const { name, version: found } = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
    if (name === "keyframe" && found !== undefined) return found;
  }
  return "unknown";
}
