/** What the figures were measured on: said at the head of every report. */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { inRoot } from "../../test/support/root.js";

export interface Machine {
  /** Cores, processor, memory, kernel. */
  shape: string;
  node: string;
  server: string;
  /** Of one minute, before the run. */
  load: number;
  commit: string;
  /** There are changes that are not committed. */
  dirty: boolean;
  date: string;
}

function git(...args: string[]): string {
  try {
    return execFileSync("git", args, { cwd: inRoot(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

/** Looks at the machine. @param server kind and version of the server that is measured */
export function lookAtMachine(server: string): Machine {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = Math.round(totalmem() / 2 ** 30);
  return {
    shape: `${availableParallelism()} × ${model}, ${memory} GiB, Linux ${release()}`,
    node: process.version,
    server,
    load: Math.round(loadavg()[0]! * 10) / 10,
    commit: git("rev-parse", "--short=7", "HEAD") || "unknown",
    dirty: git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results") !== "",
    date: new Date().toISOString().slice(0, 10),
  };
}
