/**
 * Made traffic in the shapes of real releases, for tests and benches that need more variety or more length than the
 * recordings in bench/fixtures hold. Pure: the same options give the same bytes.
 */
import { escapeJson, type JsonStyle, toJson, toMsgpack, toPickle, type Value } from "./generate/formats.js";
import { digits, random, type Topic, tokensOf, uuid } from "./generate/text.js";

export type Shape = "0.6.34" | "0.9.5" | "0.11.0" | "0.11.4" | "0.12.4" | "node";
export const shapes: readonly Shape[] = ["0.6.34", "0.9.5", "0.11.0", "0.11.4", "0.12.4", "node"];

export interface Ids {
  chat: string;
  message: string;
  user: string;
  host: string;
  /** Session ids: 0.6.34 publishes every frame once for each. */
  sessions: string[];
}

export interface AnswerOptions {
  shape: Shape;
  /** Tokens of the answer's text, each of which becomes a frame (0.6.34: one for each session). */
  tokens: number;
  seed: number;
  ids?: Partial<Ids>;
  /** Tokens of reasoning before the text (shapes up to 0.9.5: a <details> block whose head changes at its end). */
  reasoning?: number;
  /** Tool rounds in the middle of the text, each with a long result (shapes 0.9.5 and 0.11.0). */
  toolRounds?: number;
  topics?: readonly Topic[];
}

export interface MadeFrame {
  channel: Buffer;
  payload: Buffer;
}

/** Identifiers that follow from the seed. */
export function makeIds(seed: number): Ids {
  const next = random(seed * 7919 + 1);
  return {
    chat: uuid(next),
    message: uuid(next),
    user: uuid(next),
    host: digits(next, 32),
    sessions: [0, 1, 2].map(() => digits(next, 20)),
  };
}

/** Stands where the growing text goes while the frame around it is serialised. */
const hole = "\u0001hole\u0001";

/** Serialises once; each frame is then head + escaped text + tail, which keeps a long answer linear to make. */
function template(value: Value, style: JsonStyle): (escaped: string) => Buffer {
  const [head, tail] = toJson(value, style).split(escapeJson(hole, style)) as [string, string];
  return (escaped) => Buffer.from(head + escaped + tail, "utf8");
}

function htmlEscape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#x27;");
}

function reasoningBlock(text: string, done: boolean): string {
  const quoted = htmlEscape(text.replace(/^/gm, "> "));
  const head = done ? 'done="true" duration="3"' : 'done="false"';
  const summary = done ? "Thought for 3 seconds" : "Thinking…";
  return `<details type="reasoning" ${head}>\n<summary>${summary}</summary>\n${quoted}\n</details>`;
}

function toolBlock(round: number): string {
  const lines = Array.from(
    { length: 40 },
    (_, hour) => `Zürich hour ${hour}: ${hour % 24}°C, wind "NW" ${hour * 3} km/h`,
  );
  const result = htmlEscape(JSON.stringify(lines.join("\n")));
  const head = `<details type="tool_calls" done="true" id="call_${round}" name="weather"`;
  return `\n${head} arguments="${htmlEscape('{"city": "Zürich"}')}">\n<summary>Tool Executed</summary>\n${result}\n</details>\n`;
}

/** The whole message after each token: what shapes up to 0.11.0 publish. */
function* growth(options: AnswerOptions): Generator<string> {
  const { tokens, seed, reasoning = 0, toolRounds = 0, topics } = options;
  let prefix = "";
  if (reasoning > 0) {
    let thought = "";
    for (const token of tokensOf(seed + 101, reasoning, topics)) {
      thought += token;
      yield reasoningBlock(thought.trim(), false);
    }
    prefix = `${reasoningBlock(thought.trim(), true)}\n`;
  }
  const every = toolRounds > 0 ? Math.ceil(tokens / (toolRounds + 1)) : 0;
  let text = prefix;
  let at = 0;
  for (const token of tokensOf(seed, tokens, topics)) {
    text += token;
    at++;
    if (every > 0 && at % every === 0 && at < tokens) text += toolBlock(at / every);
    yield text;
  }
}

/** The emit message around an event, with its keys in python-socketio's order. */
function envelope(ids: Ids, room: string, type: string, data: Value, more: { [key: string]: Value } = {}): Value {
  const event = { chat_id: ids.chat, message_id: ids.message, ...more, data: { type, data } };
  return {
    method: "emit",
    event: "events",
    data: [event],
    binary: false,
    namespace: "/",
    room,
    skip_sid: null,
    callback: null,
    host_id: ids.host,
  };
}

function outputItem(itemId: string, status: string, text: string): Value {
  return {
    type: "message",
    id: itemId,
    status,
    role: "assistant",
    content: [{ type: "output_text", text }],
  };
}

/** All frames of one answer: an opening, one or more for each token, and the end with `done`. */
export function makeAnswer(options: AnswerOptions): MadeFrame[] {
  const ids: Ids = { ...makeIds(options.seed), ...options.ids };
  switch (options.shape) {
    case "0.6.34":
      return pickleAnswer(options, ids);
    case "0.9.5":
    case "0.11.0":
      return wholeAnswer(options, ids);
    case "0.11.4":
    case "0.12.4":
      return deltaAnswer(options, ids);
    case "node":
      return nodeAnswer(options, ids);
  }
}

function pickleAnswer(options: AnswerOptions, ids: Ids): MadeFrame[] {
  const channel = Buffer.from("socketio");
  const frames: MadeFrame[] = [];
  const emit = (data: Value) => {
    for (const room of ids.sessions) {
      const event = { chat_id: ids.chat, message_id: ids.message, data: { type: "chat:completion", data } };
      const message = { method: "emit", event: "events", data: event, namespace: "/", room };
      frames.push({ channel, payload: toPickle({ ...message, skip_sid: null, callback: null, host_id: ids.host }) });
    }
  };
  let content = "";
  for (const text of growth(options)) {
    content = text.trim();
    emit({ content });
  }
  emit({ usage: { prompt_tokens: 11, completion_tokens: options.tokens } });
  emit({ done: true, content, title: "New Chat" });
  return frames;
}

function wholeAnswer(options: AnswerOptions, ids: Ids): MadeFrame[] {
  const channel = Buffer.from("socketio");
  const room = `user:${ids.user}`;
  const itemId = `msg_${digits(random(options.seed + 7), 24)}`;
  const inOutput = options.shape === "0.11.0";
  const body = (status: string, text: string): { [key: string]: Value } =>
    inOutput ? { output: [outputItem(itemId, status, text)] } : { content: text };
  const frames: MadeFrame[] = [];
  const emit = (type: string, data: Value) => {
    frames.push({ channel, payload: Buffer.from(toJson(envelope(ids, room, type, data), "spaced")) });
  };
  emit("chat:active", { active: true });
  const frame = template(envelope(ids, room, "chat:completion", body("in_progress", hole)), "spaced");
  let content = "";
  // Escaping only what was appended keeps long answers cheap; a changed head (reasoning that ends) starts over.
  let escaped = "";
  for (const text of growth(options)) {
    const now = text.trim();
    escaped = now.startsWith(content)
      ? escaped + escapeJson(now.slice(content.length), "spaced")
      : escapeJson(now, "spaced");
    content = now;
    frames.push({ channel, payload: frame(escaped) });
  }
  const usage = { prompt_tokens: 11, completion_tokens: options.tokens, total_tokens: options.tokens + 11 };
  emit("chat:completion", { done: true, ...body("completed", content), title: "New Chat", usage });
  emit("chat:active", { active: false });
  return frames;
}

/** 0.12 publishes a snapshot of the message to the chat's room about every 150 ms: at 100 tokens a second, every 15th. */
const snapshotEvery = 15;

function deltaAnswer(options: AnswerOptions, ids: Ids): MadeFrame[] {
  const rooms = options.shape === "0.12.4";
  const style: JsonStyle = rooms ? "compact" : "spaced";
  const itemId = `msg_${digits(random(options.seed + 7), 24)}`;
  const frames: MadeFrame[] = [];
  const emit = (room: string, type: string, data: Value, more?: { [key: string]: Value }) => {
    const channel = Buffer.from(rooms ? `socketio#/#${room}` : "socketio");
    frames.push({ channel, payload: Buffer.from(toJson(envelope(ids, room, type, data, more), style)) });
  };
  const user = `user:${ids.user}`;
  const chat = `chat:${ids.chat}`;
  const shared = { user_id: ids.user, shared: true };
  emit(user, "chat:active", { active: true, folder_id: null });
  let text = "";
  let at = 0;
  for (const delta of tokensOf(options.seed, options.tokens, options.topics)) {
    text += delta;
    const part = { type: "response.output_text.delta", item_id: itemId, output_index: 0, content_index: 0, delta };
    emit(user, "response:completion", part);
    if (rooms && ++at % snapshotEvery === 0) {
      emit(chat, "chat:completion", { output: [outputItem(itemId, "in_progress", text)] }, shared);
    }
  }
  const usage = { prompt_tokens: 11, completion_tokens: options.tokens, total_tokens: options.tokens + 11 };
  const last = { done: true, output: [outputItem(itemId, "completed", text)], title: "New Chat", usage };
  emit(user, "chat:completion", last);
  if (rooms) emit(chat, "chat:completion", last, shared);
  emit(user, "chat:active", { active: false, folder_id: null });
  return frames;
}

/** What a Node Socket.IO server with the Redis adapter publishes when it emits the whole message so far to a room. */
function nodeAnswer(options: AnswerOptions, ids: Ids): MadeFrame[] {
  const room = `user:${ids.user}`;
  const channel = Buffer.from(`socket.io#/#${room}#`);
  const uid = ids.host.slice(0, 6);
  const emit = (data: { [key: string]: Value }): MadeFrame => {
    const packet = { type: 2, data: ["events", { chat_id: ids.chat, message_id: ids.message, ...data }], nsp: "/" };
    return { channel, payload: toMsgpack([uid, packet, { rooms: [room], except: [], flags: {} }]) };
  };
  const frames: MadeFrame[] = [];
  let content = "";
  for (const text of growth(options)) {
    content = text;
    frames.push(emit({ content }));
  }
  frames.push(emit({ done: true, content }));
  return frames;
}
