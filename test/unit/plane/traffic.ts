/**
 * The traffic of the plane's property tests: answers in the shapes of real releases, made frames of other kinds, each with
 * what a checker must know of it and the code under test must find out for itself.
 */
import { crc32 } from "node:zlib";
import { digits, random } from "../../../bench/generate/text.js";
import { makeAnswer, makeIds, type Shape } from "../../../bench/generate.js";

export interface TaggedFrame {
  /** Names channel and payload: frames that are equal in both have the same. */
  readonly id: number;
  readonly channel: string;
  readonly payload: Buffer;
  /** The app process; "" where nothing in the frame says it. */
  readonly emitter: string;
  /** The chat; "" where the frame concerns all chats of its emitter. */
  readonly chat: string;
  /** Frames of one stream, for "its newest frame arrives". */
  readonly stream: string;
}

const known = new Map<string, { id: number; payload: Buffer }[]>();
let ids = 0;

/** The id of a payload on a channel, to the byte; -1: no script holds it. */
export function idOf(channel: string, payload: Buffer): number {
  const alike = known.get(`${channel} ${payload.length} ${crc32(payload)}`);
  const found = alike?.find((one) => one.payload.equals(payload));
  return found?.id ?? -1;
}

function tagged(frame: Omit<TaggedFrame, "id">): TaggedFrame {
  const { channel, payload } = frame;
  let id = idOf(channel, payload);
  if (id < 0) {
    id = ids++;
    const key = `${channel} ${payload.length} ${crc32(payload)}`;
    known.set(key, [...(known.get(key) ?? []), { id, payload }]);
  }
  return { id, ...frame };
}

function answer(shape: Shape, seed: number, host: string, tokens: number): TaggedFrame[] {
  const names = { ...makeIds(seed), host };
  const more = shape === "0.9.5" ? { reasoning: 8, toolRounds: 1 } : {};
  return makeAnswer({ shape, seed, tokens, ids: names, ...more }).map(({ channel, payload }) =>
    tagged({
      channel: channel.toString("latin1"),
      payload,
      emitter: host,
      chat: names.chat,
      stream: `${shape} ${seed}`,
    }),
  );
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Frames that no answer brings: of no chat, with a callback, of other methods, and bytes that are no frame at all. */
function oddities(seed: number, host: string, count: number): TaggedFrame[] {
  const next = random(seed);
  const make = (i: number): Omit<TaggedFrame, "id"> => {
    const mark = `${digits(next, 8)} ${seed} ${i}`;
    const tail = { binary: false, namespace: "/", room: `user:${seed}`, skip_sid: null };
    const of = { channel: "socketio", emitter: host, chat: "", stream: `odd ${i % 4} ${seed}` };
    if (i % 4 === 0)
      return { ...of, emitter: "", payload: Buffer.from(`${mark} \x00\xff${digits(next, 40)}`, "latin1") };
    const emit = { method: "emit", event: "events", data: [{ data: { type: "notification", data: mark } }], ...tail };
    if (i % 4 === 1) return { ...of, payload: json({ ...emit, callback: null, host_id: host }) };
    if (i % 4 === 2) return { ...of, payload: json({ ...emit, callback: ["sid", "/", i], host_id: host }) };
    return { ...of, payload: json({ method: "enter_room", sid: mark, namespace: "/", room: "r", host_id: host }) };
  };
  return Array.from({ length: count }, (_, i) => tagged(make(i)));
}

/** What the apps of pod number `pod` publish: several chats at once, of two app processes, one script for each. */
export function scriptsOf(pod: number, tokens: number): TaggedFrame[][] {
  const hosts = [0, 1].map((host) => digits(random(pod * 31 + host + 5), 32)) as [string, string];
  const seed = pod * 1000;
  return [
    answer("0.9.5", seed + 1, hosts[0], tokens),
    answer("0.11.4", seed + 2, hosts[0], tokens),
    answer("0.12.4", seed + 3, hosts[0], tokens),
    answer("0.11.0", seed + 4, hosts[1], tokens),
    answer("0.6.34", seed + 5, hosts[1], Math.ceil(tokens / 3)),
    answer("node", seed + 6, hosts[1].slice(0, 6), tokens),
    oddities(seed + 7, hosts[0], tokens),
  ];
}
