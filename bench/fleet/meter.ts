/**
 * Counters before and after: processor time and memory of processes by the kernel, what the server says of itself, and
 * what of the machine went to others.
 */
import { readdirSync, readFileSync } from "node:fs";
import { RespClient } from "../../test/support/resp-client.js";

const TICK_MS = 10;

/**
 * Processor time of a process, milliseconds: of all its threads, in nanoseconds where the kernel keeps schedstat, else in
 * ticks. 0 when it has gone.
 */
export function cpuMs(pid: number): number {
  try {
    let ns = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    }
    if (ns > 0) return ns / 1e6;
  } catch {
    // A thread that ended while it was looked at, or a kernel without schedstat: the ticks know.
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return 0;
  }
}

/** Resident memory of a process, MiB. */
export function rssMiB(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kib ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Time that the machine's cores were busy, all together and stolen time included, milliseconds. */
export function machineBusyMs(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync("/proc/stat", "utf8")
    .slice(0, 400)
    .split("\n")[0]!
    .split(/\s+/)
    .map(Number) as number[];
  return (user! + nice! + system! + irq! + softirq! + steal!) * TICK_MS;
}

export interface ServerCounters {
  cpuMs: number;
  bytesIn: number;
  bytesOut: number;
  commands: number;
}

const FIELDS = {
  user: "used_cpu_user",
  sys: "used_cpu_sys",
  bytesIn: "total_net_input_bytes",
  bytesOut: "total_net_output_bytes",
  commands: "total_commands_processed",
} as const;

/** One connection that asks the server for its counters and takes out what the asking itself has cost. */
export class ServerMeter {
  readonly #client: RespClient;
  #looks = 0;
  #own: ServerCounters = { cpuMs: 0, bytesIn: 0, bytesOut: 0, commands: 0 };

  private constructor(client: RespClient) {
    this.#client = client;
  }

  static async open(port: number): Promise<ServerMeter> {
    const meter = new ServerMeter(await RespClient.connect({ port, deadlineMs: 30_000 }));
    const looks: ServerCounters[] = [];
    for (let i = 0; i < 7; i++) looks.push(await meter.#look());
    const costs = looks.slice(1).map((look, i) => difference(look, looks[i]!));
    // The least of several: other clients of the server may be at work as well.
    const least = (of: (counters: ServerCounters) => number) => Math.min(...costs.map(of));
    meter.#own = {
      cpuMs: least((cost) => cost.cpuMs),
      bytesIn: least((cost) => cost.bytesIn),
      bytesOut: least((cost) => cost.bytesOut),
      commands: least((cost) => cost.commands),
    };
    return meter;
  }

  async #look(): Promise<ServerCounters> {
    const text = String(await this.#client.command("INFO", "CPU", "STATS"));
    const field = (name: string) => Number(new RegExp(`^${name}:(.*)`, "m").exec(text)?.[1]);
    return {
      cpuMs: (field(FIELDS.user) + field(FIELDS.sys)) * 1000,
      bytesIn: field(FIELDS.bytesIn),
      bytesOut: field(FIELDS.bytesOut),
      commands: field(FIELDS.commands),
    };
  }

  /** The counters now; only differences mean anything. */
  async read(): Promise<ServerCounters> {
    const look = await this.#look();
    const n = this.#looks++;
    const own = this.#own;
    return difference(look, {
      cpuMs: n * own.cpuMs,
      bytesIn: n * own.bytesIn,
      bytesOut: n * own.bytesOut,
      commands: n * own.commands,
    });
  }

  /** A command of the bench's own, not counted as anything else. */
  async command(...words: string[]): Promise<unknown> {
    return this.#client.text(...words);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

export function difference(after: ServerCounters, before: ServerCounters): ServerCounters {
  return {
    cpuMs: after.cpuMs - before.cpuMs,
    bytesIn: after.bytesIn - before.bytesIn,
    bytesOut: after.bytesOut - before.bytesOut,
    commands: after.commands - before.commands,
  };
}
