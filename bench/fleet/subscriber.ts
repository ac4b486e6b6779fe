/**
 * A pod's workers as light listeners, in a process of their own: connections that subscribe, count and drop what they hear,
 * and write down when timed frames came. They stand for workers on the wire; they parse nothing.
 */
import { connect, type Socket } from "node:net";
import { encodeRequest } from "../../test/support/resp-client.js";
import { eventually } from "../../test/support/wait.js";
import { Drain } from "./drain.js";
import { clock, serve } from "./ipc.js";
import { type Heard, type OpenRequest, SAMPLE, type Sightings } from "./jobs.js";

const READ_BYTES = 128 * 1024;
/** "f", a digit for the pod, six for the answer. */
const CHAT_DIGITS = 8;
const F = 102;

interface Group {
  request: OpenRequest;
  drains: Drain[];
  sockets: Set<Socket>;
  seen: Sightings;
  /** Connections that the other side has closed: servers do that to who reads too slowly. */
  dropped: number;
}

const groups = new Map<string, Group>();
let timing = false;
// One memory for all: what it holds is read before the next socket's turn.
const buffer = Buffer.allocUnsafe(READ_BYTES);

function onPayload(seen: Sightings, chatAt: number) {
  return (bytes: Buffer, at: number, length: number) => {
    const from = at + chatAt;
    if (!timing || length < chatAt + CHAT_DIGITS || bytes[from] !== F) return;
    const digits = Number.parseInt(bytes.toString("latin1", from + 1, from + CHAT_DIGITS), 16);
    if (Number.isNaN(digits)) return;
    seen.pods.push(digits >>> 24);
    seen.keys.push((digits & 0xff_ffff) * SAMPLE + length);
    seen.times.push(clock());
  };
}

function open(request: OpenRequest, group: Group): Promise<void> {
  const { chatAt } = request;
  const drain = chatAt === undefined ? new Drain() : new Drain(onPayload(group.seen, chatAt), chatAt + CHAT_DIGITS);
  return new Promise((resolve, reject) => {
    const socket = connect({
      port: request.port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes) => {
          drain.write(buffer.subarray(0, bytes));
          return true;
        },
      },
    });
    group.drains.push(drain);
    group.sockets.add(socket);
    socket.on("error", reject);
    socket.on("close", () => {
      if (group.sockets.delete(socket)) group.dropped++;
      reject(new Error("a listener's connection was closed"));
    });
    socket.once("connect", () => {
      socket.write(encodeRequest(["SUBSCRIBE", ...request.names]));
      eventually("all is subscribed", () => drain.acks >= request.names.length, 20_000).then(() => resolve(), reject);
    });
  });
}

serve({
  open: async (request: OpenRequest) => {
    const seen = { pods: [], keys: [], times: [] };
    const group = groups.get(request.group) ?? { request, drains: [], sockets: new Set(), seen, dropped: 0 };
    groups.set(request.group, group);
    await Promise.all(Array.from({ length: request.connections }, () => open(request, group)));
  },
  /** What a group has heard so far. */
  heard: (name: string): Heard => {
    const drains = groups.get(name)?.drains ?? [];
    const sum = (of: (drain: Drain) => number) => drains.reduce((total, drain) => total + of(drain), 0);
    return { messages: sum((drain) => drain.messages), dropped: groups.get(name)?.dropped ?? 0 };
  },
  /** Connects anew who was dropped. */
  mend: async (name: string) => {
    const group = groups.get(name);
    if (group === undefined) return;
    await Promise.all(Array.from({ length: group.dropped }, () => open(group.request, group)));
    group.dropped = 0;
  },
  time: (on: boolean) => {
    timing = on;
  },
  sightings: (name: string): Sightings => {
    const group = groups.get(name);
    const empty: Sightings = { pods: [], keys: [], times: [] };
    if (group === undefined) return empty;
    const seen = { pods: [...group.seen.pods], keys: [...group.seen.keys], times: [...group.seen.times] };
    for (const list of [group.seen.pods, group.seen.keys, group.seen.times]) list.length = 0;
    return seen;
  },
});
