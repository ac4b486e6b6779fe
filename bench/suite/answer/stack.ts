/** A server of its own with the sidecars of some pods, and what the server counts between two looks. */
import { RespClient } from "../../../test/support/resp-client.js";
import { type Server, startServer } from "../../../test/support/server.js";
import { type Sidecar, startSidecar } from "../../../test/support/sidecar.js";
import { eventually } from "../../../test/support/wait.js";
import { cpuMicros, cpuMicrosOf } from "../cpu.js";

/** The server's counters of its own traffic, without those of the looks. */
export interface Traffic {
  bytesIn: number;
  bytesOut: number;
  commands: number;
  /** Microseconds of CPU. */
  serverCpu: number;
  sidecarCpu: number;
}

const INFO = ["INFO", "stats"];
/** What one look adds to the bytes read. */
const INFO_BYTES = "*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n".length;

interface Look {
  input: number;
  output: number;
  commands: number;
  /** Of the reply that said so, which the server writes after it has counted. */
  replyBytes: number;
  serverCpu: number;
  sidecarCpu: number;
}

export class Stack {
  private constructor(
    readonly server: Server,
    readonly sidecars: readonly Sidecar[],
    private readonly control: RespClient,
  ) {}

  /** Starts a server and so many sidecars, all ready. On failure nothing is left behind. */
  static async start(pods: number): Promise<Stack> {
    const server = await startServer();
    const sidecars: Sidecar[] = [];
    try {
      sidecars.push(...(await Promise.all(Array.from({ length: pods }, () => startSidecar({ upstream: server.url })))));
      await Promise.all(sidecars.map((one) => one.ready()));
      return new Stack(server, sidecars, await RespClient.connect({ port: server.port, deadlineMs: 20_000 }));
    } catch (error) {
      await Promise.all(sidecars.map((one) => one.stop("SIGKILL")));
      await server.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.control.close();
    await Promise.all(this.sidecars.map((one) => one.stop()));
    await this.server.stop();
  }

  /** Resolves when the server knows of exactly so many subscribers of a channel. */
  async subscribers(channel: Buffer, count: number): Promise<void> {
    await eventually(`${count} subscribers of ${channel}`, async () => {
      const answer = (await this.control.text("PUBSUB", "NUMSUB", channel)) as [string, number];
      return Number(answer[1]) === count;
    });
  }

  /** Runs `work` and answers what the server did meanwhile. */
  async during(work: () => Promise<void>): Promise<Traffic> {
    const before = await this.#look();
    await work();
    const after = await this.#look();
    return {
      // Between the two lie the second question and the first answer.
      bytesIn: after.input - before.input - INFO_BYTES,
      bytesOut: after.output - before.output - before.replyBytes,
      commands: after.commands - before.commands - 1,
      serverCpu: after.serverCpu - before.serverCpu,
      sidecarCpu: after.sidecarCpu - before.sidecarCpu,
    };
  }

  async #look(): Promise<Look> {
    const serverCpu = cpuMicros(this.server.pid);
    const sidecarCpu = cpuMicrosOf(this.sidecars.map(({ pid }) => pid));
    const text = String(await this.control.text(...INFO));
    const value = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1]);
    const length = Buffer.byteLength(text);
    return {
      input: value("total_net_input_bytes"),
      output: value("total_net_output_bytes"),
      commands: value("total_commands_processed"),
      replyBytes: `$${length}\r\n`.length + length + 2,
      serverCpu,
      sidecarCpu,
    };
  }
}
