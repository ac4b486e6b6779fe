/**
 * Frames as Open WebUI's python-socketio publishes them, in the dialect's own shapes, so that the sidecar names their
 * streams. Ids and texts are the tests' own.
 */

export interface FrameIds {
  /** The emitting worker. */
  host?: string;
  chat?: string;
  message?: string;
  room?: string;
}

function emit(data: unknown, ids: FrameIds): Buffer {
  const { host = "host-a", room = "user:1" } = ids;
  const whole = {
    method: "emit",
    event: "events",
    data: [data],
    binary: false,
    namespace: "/",
    room,
    skip_sid: null,
    callback: null,
    host_id: host,
  };
  return Buffer.from(spaced(whole));
}

/** JSON as Python's json.dumps writes it: a blank behind each comma and colon. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`);
    return `{${members.join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** A `chat:completion` frame that holds the whole message so far: a cumulative stream. */
export function snapshot(content: string, ids: FrameIds = {}): Buffer {
  const { chat = "chat-1", message = "message-1" } = ids;
  return emit({ chat_id: chat, message_id: message, data: { type: "chat:completion", data: { content } } }, ids);
}

/** The last frame of a message: cumulative text with `done`, which nothing may replace. */
export function finished(content: string, ids: FrameIds = {}): Buffer {
  const { chat = "chat-1", message = "message-1" } = ids;
  const data = { type: "chat:completion", data: { done: true, content } };
  return emit({ chat_id: chat, message_id: message, data }, ids);
}

/** A `response:completion` frame that holds a few characters only: every one of them counts. */
export function increment(delta: string, ids: FrameIds = {}): Buffer {
  const { chat = "chat-1", message = "message-1" } = ids;
  const data = {
    type: "response:completion",
    data: { type: "response.output_text.delta", item_id: "item-1", output_index: 0, content_index: 0, delta },
  };
  return emit({ chat_id: chat, message_id: message, data }, ids);
}

const words = "the answer grows by a word at a time until it is whole and nobody has missed any of it ".split(" ");

/** The first `count` words of an endless text. */
export function text(count: number): string {
  return Array.from({ length: count }, (_, i) => words[i % words.length]).join(" ");
}
