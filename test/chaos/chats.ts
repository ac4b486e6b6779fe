/**
 * Who says what: chats that follow from the seed, each bound to one pod and one release's way of writing, in which one
 * answer follows the other. Pure. A chat is an order domain: its frames of all its answers have one order.
 */
import { createHash } from "node:crypto";
import { digits, random, uuid } from "../../bench/generate/text.js";
import { type Ids, type MadeFrame, makeAnswer, makeIds, type Shape } from "../../bench/generate.js";

export interface Chat {
  readonly number: number;
  readonly pod: number;
  readonly shape: Shape;
  readonly ids: Ids;
  /** Pause between two tokens, milliseconds. */
  readonly everyMs: number;
  /** Channels that its frames go to. */
  readonly channels: readonly string[];
}

export interface ChatFrame extends MadeFrame {
  readonly digest: string;
  /** It says that the answer is done, or comes behind one that does. */
  readonly final: boolean;
}

/** How many chats of ten speak as which release. */
const mix: readonly Shape[] = [
  "0.9.5",
  "0.11.4",
  "0.12.4",
  "0.9.5",
  "0.11.4",
  "0.11.0",
  "0.12.4",
  "0.9.5",
  "0.6.34",
  "0.11.4",
];

/** The SHA-256 of a payload, which stands for it everywhere in this test; Python's side says the same. */
export function digestOf(payload: Buffer): string {
  return createHash("sha256").update(payload).digest("hex").slice(0, 32);
}

/** @param workers emitting processes of each pod */
export function chatsOf(seed: number, count: number, pods: number, fps: number, workers = 2): Chat[] {
  const next = random(seed * 101 + 3);
  const hosts = Array.from({ length: pods * workers }, () => digits(next, 32));
  return Array.from({ length: count }, (_, number) => {
    const pod = number % pods;
    const shape = mix[Math.floor(number / pods) % mix.length]!;
    const host = hosts[pod * workers + (Math.floor(number / pods) % workers)]!;
    const ids = { ...makeIds(seed * 1_000 + number), host };
    const rooms = [`socketio#/#user:${ids.user}`, `socketio#/#chat:${ids.chat}`];
    return {
      number,
      pod,
      shape,
      ids,
      everyMs: Math.round((1_000 / fps) * (0.6 + next() * 0.8)),
      channels: shape === "0.12.4" ? rooms : ["socketio"],
    };
  });
}

/** The `n`th answer of a chat, frame by frame. */
export function answerOf(chat: Chat, seed: number, n: number): ChatFrame[] {
  const own = (seed * 1_009 + chat.number) * 997 + n;
  const next = random(own);
  const tokens = 20 + Math.floor(next() * 140);
  const ids = { ...chat.ids, message: uuid(next) };
  const rich = next() < 0.4;
  const frames = makeAnswer({
    shape: chat.shape,
    tokens,
    seed: own,
    ids,
    ...(rich && chat.shape === "0.9.5" && { reasoning: 15 }),
    ...(rich && (chat.shape === "0.9.5" || chat.shape === "0.11.0") && { toolRounds: 2 }),
  });
  const last = chat.shape === "0.6.34" ? frames.length - ids.sessions.length : frames.findIndex(saysDone);
  return frames.map((frame, i) => ({ ...frame, digest: digestOf(frame.payload), final: i >= last }));
}

function saysDone({ payload }: MadeFrame): boolean {
  return payload.includes('"done": true') || payload.includes('"done":true');
}
