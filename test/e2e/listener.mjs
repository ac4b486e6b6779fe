// One browser tab: a Socket.IO connection of the user to one replica, which keeps every event in order of arrival.

import { io } from "socket.io-client";
import { within } from "./processes.mjs";

/** Connects to a replica and joins the user's room. Resolves to a Listener that already hears events. */
export async function connectListener(replica, token, name) {
  const socket = io(replica.url, {
    path: "/ws/socket.io",
    transports: ["websocket"],
    auth: { token },
    reconnection: false,
    forceNew: true,
  });
  const listener = new Listener(name, socket);
  const connected = new Promise((resolve, reject) => {
    socket.once("connect", resolve).once("connect_error", reject);
  });
  await within(15_000, `a Socket.IO connection of ${name}`, connected);
  await socket.timeout(15_000).emitWithAck("user-join", { auth: { token } });
  return listener;
}

class Listener {
  #socket;
  #watchers = new Set();

  constructor(name, socket) {
    this.name = name;
    this.#socket = socket;
    /** Every `events` message so far: { chat, message, type, json, data }. */
    this.events = [];
    this.broken = undefined;
    socket.on("events", (event) => this.#take(event));
    socket.on("disconnect", (reason) => {
      this.broken = reason;
      for (const watch of this.#watchers) watch();
    });
  }

  get sessionId() {
    return this.#socket.id;
  }

  #take(event) {
    this.events.push({
      chat: event.chat_id,
      message: event.message_id,
      type: event.data?.type,
      data: event.data?.data,
      json: JSON.stringify(event),
    });
    for (const watch of this.#watchers) watch();
  }

  /** Resolves when `test(events)` is true, checked at each event; rejects when the socket breaks or time is up. */
  when(what, timeoutMs, test) {
    let watch;
    const promise = new Promise((resolve, reject) => {
      watch = () => {
        if (test(this.events)) resolve();
        else if (this.broken) reject(new Error(`${this.name}'s socket was closed: ${this.broken}`));
      };
      this.#watchers.add(watch);
      watch();
    });
    const detail = () =>
      `on ${this.name}'s socket (${this.events.length} events, last: ${this.events.at(-1)?.json.slice(-300)})`;
    return within(timeoutMs, what, promise, detail).finally(() => this.#watchers.delete(watch));
  }

  /** Opens a saved chat, as a browser tab does that shows it (0.12 and later send its room events of their own). */
  async openChat(chatId) {
    await this.#socket.timeout(15_000).emitWithAck("events:chat", { chat_id: chatId, data: { type: "join" } });
  }

  close() {
    this.#socket.disconnect();
  }
}

/** Whether this event says that the answer is complete. */
export function isDone(event) {
  return event.type === "chat:completion" && event.data?.done === true;
}

/** Whether this event is a fence with that label. */
export function isFence(event, label) {
  return event.type === "e2e:fence" && event.data?.label === label;
}

/**
 * The text as a browser shows it after these events of one message, in all the ways in which the releases say it:
 * the whole text so far in `content` or in `output`, or a piece of it in `response.output_text.delta`.
 *
 * @returns {{ text: string, growth: number }} the final text, and how often it grew on the way
 */
export function textOfEvents(events) {
  let text = "";
  let growth = 0;
  for (const event of events) {
    const next = textAfter(text, event);
    if (next.length > text.length) growth++;
    text = next;
  }
  return { text, growth };
}

function textAfter(text, { data }) {
  if (typeof data !== "object" || data === null) return text;
  if (typeof data.content === "string") return data.content;
  const whole = data.output ?? data.response?.output;
  if (Array.isArray(whole)) {
    const parts = whole.filter((item) => item.type === "message").flatMap((item) => item.content ?? []);
    return parts.map((part) => part.text ?? "").join("");
  }
  const piece = data.type === "response.output_text.delta" ? data : data.response?.output_text;
  if (typeof piece?.delta === "string") return text + piece.delta;
  return text;
}
