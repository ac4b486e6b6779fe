/** The frames of one answer, as the app publishes them and as it would publish them under other settings. Pure. */
import { deflateRawSync } from "node:zlib";
import { toJson, type Value } from "../../generate/formats.js";
import { tokensOf } from "../../generate/text.js";
import { type Ids, type MadeFrame, makeAnswer, makeIds } from "../../generate.js";

export const answerShapes = ["0.9.5", "0.11.0", "0.12.4"] as const;
export type AnswerShape = (typeof answerShapes)[number];

export interface Answer {
  shape: AnswerShape;
  tokens: number;
  frames: MadeFrame[];
  /** Those that a browser of the user is told of: a chat's own room has no listener here. */
  channel: Buffer;
}

const SEED = 4_242;

/** An answer; the same `tokens` give the same text, another `chat` other identifiers, as another chat would have. */
export function answerOf(shape: AnswerShape, tokens: number, chat: number): Answer {
  const ids: Ids = makeIds(100_000 + chat);
  const frames = makeAnswer({ shape, tokens, seed: SEED, ids });
  return { shape, tokens, frames, channel: frames[0]!.channel };
}

/** Bytes of the text itself, without any frame around it: nothing that tells the reader all of it can take less, undeflated. */
export function textBytes(tokens: number): number {
  return Buffer.byteLength(tokensOf(SEED, tokens).join(""));
}

/**
 * What is left where the app sends a frame only each `size` tokens (CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE). Frames that hold
 * the whole message are left out; where a frame holds one token only, its text goes into the next one that is sent.
 */
export function chunked({ shape, tokens, frames }: Answer, size: number): MadeFrame[] {
  if (size <= 1) return frames;
  if (shape !== "0.12.4") {
    // An opening, a frame for each token, and the end.
    return frames.filter((_, i) => i < 1 || i > tokens || i % size === 0 || i === tokens);
  }
  const left: MadeFrame[] = [];
  let text = "";
  let count = 0;
  let last: MadeFrame | undefined;
  const flush = () => {
    if (last === undefined) return;
    left.push({ channel: last.channel, payload: withDelta(last.payload, text) });
    last = undefined;
    text = "";
    count = 0;
  };
  for (const frame of frames) {
    if (!isToken(frame.payload)) {
      // The end says everything; what waits is said before it. A snapshot for the chat's room keeps its time.
      if (frame.channel.equals(frames[0]!.channel)) flush();
      left.push(frame);
      continue;
    }
    text += deltaOf(frame.payload);
    last = frame;
    if (++count === size) flush();
  }
  return left;
}

interface TokenFrame {
  data: [{ data: { data: { delta: string } } }];
}

function isToken(payload: Buffer): boolean {
  return payload.includes('"response:completion"');
}

function deltaOf(payload: Buffer): string {
  return (JSON.parse(payload.toString("utf8")) as TokenFrame).data[0].data.data.delta;
}

function withDelta(payload: Buffer, delta: string): Buffer {
  const message = JSON.parse(payload.toString("utf8")) as TokenFrame;
  message.data[0].data.data.delta = delta;
  return Buffer.from(toJson(message as unknown as Value, "compact"));
}

/** The same frames, each deflated by itself: what compression without memory of earlier frames can do. */
export function deflated(frames: readonly MadeFrame[], level: number): MadeFrame[] {
  return frames.map(({ channel, payload }) => ({ channel, payload: deflateRawSync(payload, { level }) }));
}

/** What a subscriber of `channel` reads for these frames, in RESP2. */
export function messageBytes(frames: readonly MadeFrame[], channel: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  const head = `*3\r\n$7\r\nmessage\r\n$${channel.length}\r\n${channel.toString("latin1")}\r\n$`;
  for (const frame of frames) {
    if (!frame.channel.equals(channel)) continue;
    parts.push(Buffer.from(`${head}${frame.payload.length}\r\n`, "latin1"), frame.payload, CRLF);
  }
  return parts;
}

const CRLF = Buffer.from("\r\n");
