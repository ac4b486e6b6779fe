/** The certificates' files in a folder of this machine: for trying the webhook out, and for tests. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flawOf, type Issued, issue } from "./issue.js";

const names = { ca: "ca.crt", cert: "tls.crt", key: "tls.key" } as const;
const parts = ["ca", "key", "cert"] as const;

/** Writes the three files unless those that are there can serve on. Returns what was done, in a sentence. */
export function keepFiles(dir: string, hosts: readonly string[], renewBeforeMs: number, now: number): Promise<string> {
  return write(dir, hosts, flawOf(read(dir), hosts, renewBeforeMs, now), now);
}

function read(dir: string): Partial<Issued> {
  const found: { -readonly [K in keyof Issued]?: string } = {};
  for (const part of parts) {
    try {
      found[part] = readFileSync(join(dir, names[part]), "utf8");
    } catch {
      // Not there yet.
    }
  }
  return found;
}

async function write(dir: string, hosts: readonly string[], flaw: string | undefined, now: number): Promise<string> {
  if (flaw === undefined) return "Nothing to do.";
  const issued = await issue(hosts, now);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const part of parts) {
    const file = join(dir, names[part]);
    writeFileSync(`${file}.new`, issued[part], { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  return `The certificate in ${dir} ${flaw}: a new one was written.`;
}
