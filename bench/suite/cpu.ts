/** CPU time of processes and of the machine, from /proc. Linux only, as the rest of the bench. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const TICK_US = 1e6 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).trim() || "100");

/** Fields of /proc/<pid>/stat behind the name, which may hold anything. */
function statFields(pid: number | "self"): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
}

/**
 * Microseconds that all threads of a process have run. From the scheduler's own clock where the kernel keeps it: clock
 * ticks of 10 ms say nothing about a thousand frames. Threads that have ended are missing there, which ours do not do.
 */
export function cpuMicros(pid: number): number {
  try {
    let nanos = 0;
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      nanos += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ")[0]);
    }
    return nanos / 1000;
  } catch {
    const fields = statFields(pid);
    return (fields[11]! + fields[12]!) * TICK_US;
  }
}

/** The same for several processes together. */
export function cpuMicrosOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMicros(pid), 0);
}

/** Seconds of CPU of the whole machine so far, and what the hypervisor kept back. */
export interface MachineTime {
  all: number;
  busy: number;
  stolen: number;
  /** Of this process and of all its children that have ended. */
  ours: number;
}

/** What the machine has done so far. */
export function machineTime(): MachineTime {
  const line = readFileSync("/proc/stat", "latin1").split("\n")[0]!;
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number) as [
    ...number[],
  ] as [number, number, number, number, number, number, number, number];
  const busy = user + nice + system + irq + softirq;
  const own = statFields("self");
  const ours = own[11]! + own[12]! + own[13]! + own[14]!;
  const seconds = TICK_US / 1e6;
  return {
    all: (busy + idle + iowait + steal) * seconds,
    busy: busy * seconds,
    stolen: steal * seconds,
    ours: ours * seconds,
  };
}

/** What others took of all cores between two looks, and what the hypervisor kept back, as fractions. */
export function othersBetween(before: MachineTime, after: MachineTime): { others: number; stolen: number } {
  const all = after.all - before.all;
  if (all <= 0) return { others: 0, stolen: 0 };
  const others = after.busy - before.busy - (after.ours - before.ours);
  return { others: Math.max(0, others) / all, stolen: (after.stolen - before.stolen) / all };
}
