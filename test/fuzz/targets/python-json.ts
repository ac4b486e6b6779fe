/**
 * The JSON dialect: no bytes upset it, and where the payload is JSON as python-socketio writes it, its name claims nothing
 * that a full parse does not confirm.
 */
import assert from "node:assert/strict";
import { checkName } from "../names.js";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** As json.dumps writes it, or as orjson does. A payload equal to one of these has no key twice and no odd blanks. */
function dumped(value: Json, comma: string, colon: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => dumped(item, comma, colon)).join(comma)}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}${colon}${dumped(item, comma, colon)}`,
    );
    return `{${members.join(comma)}}`;
  }
  return JSON.stringify(value);
}

function ascii(text: string): string {
  return text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function canonical(payload: Buffer): { [key: string]: Json } | undefined {
  const text = payload.toString();
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const compact = dumped(value, ",", ":");
  const spaced = dumped(value, ", ", ": ");
  return text === compact || text === spaced || text === ascii(spaced) ? value : undefined;
}

function member(value: Json | undefined, key: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

export function fuzz(data: Buffer): void {
  const payload = Buffer.concat([Buffer.from("{"), data]);
  const name = checkName(payload, "python-json");
  if (name === undefined) return;
  const message = canonical(payload);
  if (message === undefined) return;
  // A later member of that name would be another message's; the members of a real one have their order.
  if (!name.barrier) {
    assert.equal(message.method, "emit");
    assert.equal(message.callback, null, "a frame that wants an answer is a barrier");
  }
  if (name.emitter !== 0) assert.equal(typeof message.host_id, "string");
  const first = Array.isArray(message.data) ? message.data[0] : message.data;
  if (name.chat !== 0) {
    assert.equal(typeof (member(first, "chat_id") ?? member(first, "chatId")), "string", "a chat is in the data");
  }
  if (!name.cumulative) return;
  assert.equal(message.event, "events");
  const body = member(first, "data");
  assert.equal(member(body, "type"), "chat:completion");
  const inner = member(body, "data");
  const content = member(inner, "content");
  const output = member(inner, "output");
  assert.ok(content !== undefined || output !== undefined, "what grows is there");
  if (!name.done) {
    assert.notEqual(member(inner, "done"), true, "a final frame is never replaced");
  }
}
