/**
 * The fleet under test: a master with replicas and sentinels, and pods, each with a network of its own and a sidecar as a
 * process, which can be killed and comes back at the same address, as a container does.
 */
import { freePorts } from "../support/ports.js";
import { type Sentinels, startSentinels } from "../support/sentinels.js";
import { type Sidecar, startSidecar, sumSamples } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";
import { type Network, startNetwork } from "./network.js";

const UNDELIVERED = "keyframe_undelivered_frames_total";
const LOOK_MS = 500;

export class Pod {
  sidecar: Sidecar | undefined;
  /** Log lines of all its sidecars, those that were killed included. */
  readonly logs: string[][] = [];
  /** The last look at the sidecar that runs. */
  #seen = new Map<string, number>();
  /** Counters of those that were killed. */
  readonly #past = new Map<string, number>();

  constructor(
    readonly number: number,
    readonly port: number,
    readonly network: Network,
  ) {}

  async start(): Promise<void> {
    this.sidecar = await startSidecar({
      upstream: this.network.url,
      env: {
        KEYFRAME_LISTEN: `127.0.0.1:${this.port}`,
        // A slow app is to be slow within seconds; and a busy machine's question and answer may take longer than one.
        KEYFRAME_COLLAPSE_BYTES: "256KiB",
        KEYFRAME_HOLD: "5s",
      },
    });
    this.logs.push(this.sidecar.logs);
  }

  /** SIGKILL. What it counted since the last look is lost with it, as its frames are. */
  async kill(): Promise<void> {
    const { sidecar } = this;
    this.sidecar = undefined;
    if (sidecar === undefined) return;
    await sidecar.stop("SIGKILL");
    for (const [key, value] of this.#seen) this.#past.set(key, (this.#past.get(key) ?? 0) + value);
    this.#seen = new Map();
  }

  async look(): Promise<void> {
    const { sidecar } = this;
    const seen = await sidecar?.metrics().catch(() => undefined);
    if (seen !== undefined && sidecar === this.sidecar) this.#seen = seen;
  }

  /** A counter's sum over all sidecars that this pod had. */
  counted(name: string, labels?: Record<string, string>): number {
    return sumSamples(this.#seen, name, labels) + sumSamples(this.#past, name, labels);
  }

  undeliveredByReason(into: Map<string, number>): void {
    for (const samples of [this.#seen, this.#past]) {
      for (const [key, value] of samples) {
        const reason = new RegExp(`^${UNDELIVERED}\\{reason="(\\w+)"\\}$`).exec(key)?.[1];
        if (reason !== undefined && value > 0) into.set(reason, (into.get(reason) ?? 0) + value);
      }
    }
  }
}

export class Fleet {
  readonly #timer: NodeJS.Timeout;

  private constructor(
    readonly group: Sentinels,
    readonly pods: readonly Pod[],
  ) {
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
  }

  static async start(count: number): Promise<Fleet> {
    const group = await startSentinels();
    const ports = await freePorts(count);
    const pods = await Promise.all(ports.map(async (port, i) => new Pod(i, port, await startNetwork(group))));
    const fleet = new Fleet(group, pods);
    try {
      await Promise.all(pods.map((pod) => pod.start()));
      await fleet.settled();
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  async look(): Promise<void> {
    await Promise.all(this.pods.map((pod) => pod.look()));
  }

  /** Frames that all sidecars have counted as not delivered. */
  undelivered(): number {
    return this.pods.reduce((sum, pod) => sum + pod.counted(UNDELIVERED), 0);
  }

  undeliveredByReason(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const pod of this.pods) pod.undeliveredByReason(sums);
    return sums;
  }

  counted(name: string, labels?: Record<string, string>): number {
    return this.pods.reduce((sum, pod) => sum + pod.counted(name, labels), 0);
  }

  /** Resolves once all sentinels name one master and every sidecar is ready. An old master may still be alive. */
  async ready(): Promise<void> {
    await this.group.agreed();
    await eventually("every sidecar is ready", () => this.#allReady(), 60_000, 50);
  }

  /** Resolves once every server follows the master, so that there may be another failover. */
  async settled(): Promise<void> {
    await this.group.settled(60_000);
    await this.ready();
  }

  async #allReady(): Promise<boolean> {
    const states = await Promise.all(
      this.pods.map(async ({ sidecar }) => {
        if (sidecar === undefined) return false;
        const response = await fetch(`${sidecar.adminUrl}/readyz`);
        await response.arrayBuffer();
        return response.status === 200;
      }),
    );
    return states.every(Boolean);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const { network } of this.pods) network.heal();
    await Promise.all(this.pods.map((pod) => pod.sidecar?.stop("SIGKILL")));
    await Promise.all(this.pods.map((pod) => pod.network.stop()));
    await this.group.stop();
  }
}
