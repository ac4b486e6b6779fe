/**
 * Answers to replay, frame by frame, in the bytes of bench/generate.ts. Of shapes that publish the whole message so far
 * only one text is kept for all streams and a frame is cut from it when it is due: hundreds of streams would else be
 * hundreds of megabytes.
 */
import { type Ids, makeAnswer, makeIds, type Shape } from "../generate.js";

export interface Answer {
  /** Frames of the answer. */
  readonly length: number;
  channel(at: number): Buffer;
  /** The payload's pieces, to be written one after the other. */
  pieces(at: number): Buffer[];
}

/** The user of a stream: the pod that hears for the user knows the name as well. */
export function userOf(pod: number, stream: number): string {
  return `${hex(pod, 4)}${hex(stream, 4)}-0000-4000-a000-000000000000`;
}

/** Chats whose frames are timed begin with "f", all others with "0". Then the pod, a digit, and six of the answer's number. */
export function chatOf(pod: number, stream: number, cycle: number): string {
  const head = `${stream === 0 ? "f" : "0"}${hex(pod % 16, 1)}${hex(cycle, 6)}`;
  return `${head}-0000-4000-a000-${hex(pod, 4)}${hex(stream, 8)}`;
}

/** Where the chat's name begins in a payload of that shape: the same in all its frames. */
export function chatAt(shape: Shape): number {
  const chat = chatOf(0, 0, 0);
  return makeAnswer({ shape, tokens: 1, seed: 1, ids: { chat } })[1]!.payload.indexOf(chat);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

export function idsOf(pod: number, stream: number, cycle: number, user = userOf(pod, stream)): Ids {
  const made = makeIds(pod * 7919 + stream * 31 + cycle);
  // One process emits for a pod, so its frames carry one host.
  return { ...made, chat: chatOf(pod, stream, cycle), user, host: makeIds(pod + 1).host };
}

/** What stands before and behind the growing text, in the frames that grow and in the last one. */
const CUTS: Partial<Record<Shape, { before: string; behind: string; behindLast: string }>> = {
  "0.9.5": { before: '"content": "', behind: '"}}}], "binary"', behindLast: '", "title"' },
  "0.11.0": { before: '"text": "', behind: '"}]}]}}}], "binary"', behindLast: '"}]}], "title"' },
};

/** The growing text of one answer and how long it is in each of its frames. */
export interface Text {
  readonly shape: Shape;
  readonly bytes: Buffer;
  readonly lengths: readonly number[];
}

function headOf(payload: Buffer, before: string): Buffer {
  return payload.subarray(0, payload.indexOf(before) + before.length);
}

/** Makes a text; undefined for shapes whose frames hold only what is new. */
export function makeText(shape: Shape, tokens: number, seed: number): Text | undefined {
  const cuts = CUTS[shape];
  if (cuts === undefined) return undefined;
  const frames = makeAnswer({ shape, tokens, seed });
  const bodies = frames.slice(1, 1 + tokens).map(({ payload }) => {
    return payload.subarray(headOf(payload, cuts.before).length, payload.lastIndexOf(cuts.behind));
  });
  const bytes = bodies.at(-1)!;
  if (!bodies.every((body) => bytes.subarray(0, body.length).equals(body))) throw new Error(`${shape}: not one text`);
  return { shape, bytes: Buffer.from(bytes), lengths: bodies.map((body) => body.length) };
}

/** An answer over a shared text, from its token `from` on; one that begins in its middle has no opening frame. */
export function growingAnswer(text: Text, ids: Ids, from = 0): Answer {
  const cuts = CUTS[text.shape]!;
  const [open, first, last, end] = makeAnswer({ shape: text.shape, tokens: 1, seed: 1, ids }) as [
    Made,
    Made,
    Made,
    Made,
  ];
  const growing = [headOf(first.payload, cuts.before), first.payload.subarray(first.payload.lastIndexOf(cuts.behind))];
  const final = [headOf(last.payload, cuts.before), last.payload.subarray(last.payload.lastIndexOf(cuts.behindLast))];
  const tokens = text.lengths.length;
  const opening = from === 0 ? 1 : 0;
  return {
    length: opening + tokens - from + 2,
    channel: () => open.channel,
    pieces(at) {
      if (at < opening) return [open.payload];
      const token = from + at - opening;
      if (token < tokens) return [growing[0]!, text.bytes.subarray(0, text.lengths[token]), growing[1]!];
      return token === tokens ? [final[0]!, text.bytes, final[1]!] : [end.payload];
    },
  };
}

type Made = ReturnType<typeof makeAnswer>[number];

/** An answer of any shape, all of its frames kept. */
export function listedAnswer(shape: Shape, tokens: number, seed: number, ids: Ids): Answer {
  const frames = makeAnswer({ shape, tokens, seed, ids });
  return {
    length: frames.length,
    channel: (at) => frames[at]!.channel,
    pieces: (at) => [frames[at]!.payload],
  };
}
