/**
 * One fleet: a server of its own, peers in two pods, clients at each peer; with a sidecar in each pod or directly.
 * Scenarios run in a world and leave a transcript; `same` compares the transcripts of two worlds.
 */
import { type Server, startServer } from "../../support/server.js";
import { type Sidecar, startSidecar } from "../../support/sidecar.js";
import { eventually } from "../../support/wait.js";
import { Client } from "./client.js";
import { type Figures, figuresOf, minus } from "./figures.js";
import { Peer, type PeerCommand, type Request } from "./peer.js";
import { canonical, type Transcript } from "./transcript.js";

/** A peer of the plan: its name, the pod whose sidecar it uses, and how it is started with its Redis URL. */
export interface PeerPlan {
  name: string;
  pod: "A" | "B";
  command(redisUrl: string): PeerCommand;
}

export interface WorldPlan {
  peers: PeerPlan[];
  /** Clients connect to each peer that serves, in each of these namespaces. */
  namespaces: string[];
  clientsPerNamespace: number;
  /** The request that broadcasts `event` with one argument to a namespace: it differs between Python and Node. */
  broadcast(event: string, argument: object, namespace: string): Request;
  /** The requests that put a client into a room of "/" and take it out. */
  enter(sid: string, room: string): Request;
  leave(sid: string, room: string): Request;
  /** The shard channel of a room, where servers subscribe one without waiting for it. */
  shardChannel?(room: string): string;
}

/** `direct`: no sidecars. Else KEYFRAME_* for the sidecars, one in each pod but those that are to have none. */
export type Way = "direct" | { env: Record<string, string>; without?: PeerPlan["pod"] };

export interface Scenario {
  name: string;
  run(world: World): Promise<void>;
}

export class World {
  readonly peers = new Map<string, Peer>();
  readonly clients = new Map<string, Client>();
  private readonly names = new Map<string, string>();
  private notes: { line: string; text: string }[] = [];
  private fenceNumber = 0;
  private readonly byPod = new Map<PeerPlan["pod"], Sidecar>();

  private constructor(
    readonly plan: WorldPlan,
    readonly server: Server,
  ) {}

  /** Starts everything; resolves when each client hears each other peer. Leaves nothing behind on failure. */
  static async start(plan: WorldPlan, way: Way): Promise<World> {
    const server = await startServer();
    const world = new World(plan, server);
    try {
      if (way !== "direct") {
        const pods = (["A", "B"] as const).filter((pod) => pod !== way.without);
        await Promise.all(pods.map((pod) => world.startSidecar(pod, way.env)));
      }
      await Promise.all(plan.peers.map((peer) => world.startPeer(peer)));
      await Promise.all(plan.peers.map((peer) => world.connectClients(peer.name)));
      await world.everybodyHears();
      await world.settle();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  get sidecars(): Sidecar[] {
    return [...this.byPod.values()];
  }

  private async startSidecar(pod: PeerPlan["pod"], env: Record<string, string>): Promise<void> {
    const sidecar = await startSidecar({ upstream: this.server.url, env });
    this.byPod.set(pod, sidecar);
    await sidecar.ready();
  }

  private async startPeer(plan: PeerPlan): Promise<void> {
    const redisUrl = `${this.byPod.get(plan.pod)?.url ?? this.server.url}/0`;
    this.peers.set(plan.name, await Peer.start(plan.name, plan.command(redisUrl)));
  }

  private async connectClients(peer: string): Promise<void> {
    if (this.peer(peer).url === undefined) return;
    for (const namespace of this.plan.namespaces) {
      for (let number = 1; number <= this.plan.clientsPerNamespace; number++) {
        await this.connect(`${peer.toLowerCase()}${number}${namespace === "/" ? "" : namespace}`, peer, namespace);
      }
    }
  }

  /** Connects one more client. A scenario that does so closes it, or lets the server end it. */
  async connect(name: string, peer: string, namespace = "/"): Promise<Client> {
    const client = await Client.connect(name, peer, this.peer(peer).url ?? "", namespace);
    this.clients.set(name, client);
    this.names.set(client.sid, `<${name}>`);
    return client;
  }

  private async everybodyHears(): Promise<void> {
    // A subscription that the server confirms is not yet one that every listener of the app has set up: ask the app.
    await eventually(
      "each client hears each peer",
      async () => {
        await this.everyPeer((peer, namespace) =>
          peer.call(this.plan.broadcast("probe", { from: peer.name }, namespace)),
        );
        return [...this.clients.values()].every((client) => [...this.peers.keys()].every((peer) => client.hears(peer)));
      },
      20_000,
      50,
    );
  }

  private async everyPeer(act: (peer: Peer, namespace: string) => Promise<unknown>): Promise<void> {
    await Promise.all(
      [...this.peers.values()].flatMap((peer) => this.plan.namespaces.map((namespace) => act(peer, namespace))),
    );
  }

  peer(name: string): Peer {
    const peer = this.peers.get(name);
    if (peer === undefined) throw new Error(`no peer ${name}`);
    return peer;
  }

  client(name: string): Client {
    const client = this.clients.get(name);
    if (client === undefined) throw new Error(`no client ${name}`);
    return client;
  }

  sid(name: string): string {
    return this.client(name).sid;
  }

  /** Puts a client into a room, asked of the given peer (in "/"). */
  enter(peer: string, client: string, room: string): Promise<unknown> {
    return this.peer(peer).call(this.plan.enter(this.sid(client), room));
  }

  /** That many servers hear what is said to the room: an adapter may join before its subscription is held. */
  async heard(room: string, servers: number): Promise<void> {
    const channel = this.plan.shardChannel?.(room);
    if (channel === undefined) return;
    await eventually("the room's shard channel is held", async () => {
      const count = (await this.server.cli("PUBSUB", "SHARDNUMSUB", channel)).split("\n").at(-1);
      return Number(count) >= servers;
    });
  }

  leave(peer: string, client: string, room: string): Promise<unknown> {
    return this.peer(peer).call(this.plan.leave(this.sid(client), room));
  }

  /** Writes a result of the driver's own (an answer, a list of sockets) into the transcript. */
  note(what: string, value: unknown): void {
    this.notes.push({ line: what, text: `${what} ${canonical(value, this.names)}` });
  }

  /** The client's name for a socket id, in canonical form; the id itself where it is unknown. */
  nameOf(sid: string): string {
    return this.names.get(sid) ?? sid;
  }

  /** Resolves when every connected client has received all that every peer has emitted so far. */
  async settle(): Promise<void> {
    const number = ++this.fenceNumber;
    await this.everyPeer((peer, namespace) =>
      peer.call(this.plan.broadcast("fence", { from: peer.name, number }, namespace)),
    );
    const connected = [...this.clients.values()].filter((client) => !client.disconnected);
    await Promise.all(connected.flatMap((client) => [...this.peers.keys()].map((peer) => client.fence(peer, number))));
  }

  /** Runs a scenario; resolves with what everybody saw and what it cost. */
  async run(scenario: Scenario): Promise<{ transcript: Transcript; cost: Figures }> {
    const before = await figuresOf(this.server, this.sidecars);
    try {
      await scenario.run(this);
      await this.settle();
    } catch (error) {
      // The next scenario must not find this one's leavings.
      this.takeTranscript();
      throw new Error(`${(error as Error).message}\n${await this.story(before)}`, { cause: error });
    }
    const cost = minus(await figuresOf(this.server, this.sidecars), before);
    return { transcript: this.takeTranscript(), cost };
  }

  private takeTranscript(): Transcript {
    const transcript: Transcript = new Map([["driver", this.notes]]);
    this.notes = [];
    for (const [name, client] of this.clients) {
      transcript.set(name, client.take(this.names));
      if (client.disconnected) this.clients.delete(name);
    }
    return transcript;
  }

  /** What the processes of this world have to say, for the message of a failure. */
  private async story(before: Figures): Promise<string> {
    const cost = minus(await figuresOf(this.server, this.sidecars), before);
    const lines = [`figures: ${JSON.stringify(cost)}`];
    for (const [pod, sidecar] of this.byPod)
      lines.push(...sidecar.logs.slice(-8).map((line) => `sidecar ${pod}: ${line}`));
    for (const [name, peer] of this.peers) lines.push(...peer.logs.slice(-8).map((line) => `peer ${name}: ${line}`));
    return lines.join("\n");
  }

  async stop(): Promise<void> {
    for (const client of this.clients.values()) client.close();
    await Promise.all([...this.peers.values()].map((peer) => peer.stop()));
    await Promise.all(this.sidecars.map((sidecar) => sidecar.stop()));
    await this.server.stop();
  }
}
