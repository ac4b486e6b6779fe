/** A made-up later version of the sidecar: this build, with side channels and script of protocol 2. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inRoot } from "./root.js";

export interface OtherBuild {
  /** Its dist/main.js. */
  main: string;
  /** Files in which the prefix was changed. */
  changed: number;
  remove(): void;
}

/** Copies dist into a directory of its own and lets it speak on `~kf2~…` instead of `~kf1~…`. */
export function protocolTwo(): OtherBuild {
  const dir = mkdtempSync(join(tmpdir(), "keyframe-protocol-2-"));
  cpSync(inRoot("dist"), join(dir, "dist"), { recursive: true });
  cpSync(inRoot("package.json"), join(dir, "package.json"));
  symlinkSync(inRoot("node_modules"), join(dir, "node_modules"));
  let changed = 0;
  for (const name of readdirSync(join(dir, "dist"), { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js")) continue;
    const path = join(dir, "dist", name);
    const text = readFileSync(path, "utf8");
    if (!text.includes("~kf1~")) continue;
    writeFileSync(path, text.replaceAll("~kf1~", "~kf2~"));
    changed++;
  }
  return { main: join(dir, "dist", "main.js"), changed, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
