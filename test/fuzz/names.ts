/** What holds of every frame's name, whatever the payload is: shared by the targets of the three dialects. */
import assert from "node:assert/strict";
import { type Dialect, type FrameName, nameFrame, newFrameName } from "../../src/socketio/dialect.js";
import type { Plain } from "./unpickle.js";

const channels = ["socketio", "socketio#/#user:1", "socket.io#/#room#"].map((name) => Buffer.from(name));
const name = newFrameName();
const again = newFrameName();
const between = newFrameName();
/** Leaves something of every dialect behind in whatever the naming code keeps. */
const others = [
  Buffer.from('{"method": "emit", "event": "e", "data": ["x"], "namespace": "/"}'),
  Buffer.from("\x80\x04\x95}\x94(\x8c\x06method\x94\x8c\x04emit\x94u.", "latin1"),
  Buffer.from("\x93\xa6abcdef\x83\xa4type\x02\xa4data\x91\xa1x\xa3nsp\xa1/\x83\xa5rooms\x90", "latin1"),
];

/** Names the payload and checks what must hold of any name. Returns the name (overwritten by the next call), or undefined. */
export function checkName(payload: Buffer, dialect: Dialect): FrameName | undefined {
  const channel = channels[payload.length % channels.length]!;
  const before = Buffer.from(payload);
  const known = nameFrame(channel, payload, name);
  assert.ok(payload.equals(before), "the payload is not touched");

  // The same bytes elsewhere, with others around them, and after other frames: the name is a function of the frame.
  const around = Buffer.alloc(payload.length + 64, 0x22);
  payload.copy(around, 32);
  for (const other of others) nameFrame(channel, other, between);
  assert.equal(nameFrame(channel, around.subarray(32, 32 + payload.length), again), known);
  assert.deepEqual(again, name);

  for (const value of [name.stream, name.emitter, name.chat]) assert.ok(Number.isSafeInteger(value) && value >= 0);
  assert.ok(name.emitter <= 0xffff_ffff && name.chat <= 0xffff_ffff);
  if (!known) {
    assert.ok(name.stream === 0 && name.emitter === 0 && name.chat === 0, "a refusal says nothing");
    assert.ok(!name.cumulative && !name.barrier && !name.done);
    return undefined;
  }
  assert.equal(name.dialect, dialect);
  assert.ok(name.stream > 0);
  if (name.barrier) assert.ok(name.chat === 0 && !name.cumulative, "a barrier is of no chat");
  if (name.cumulative) assert.ok(name.emitter !== 0 && name.chat !== 0);
  return name;
}

function member(value: Plain | undefined, key: string): Plain | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A python-socketio message that was read in full, with no key twice: its name must claim nothing that it does not say. */
export function confirm(name: FrameName, message: Plain): void {
  if (!name.barrier) {
    assert.equal(member(message, "method"), "emit");
    assert.equal(member(message, "callback"), null, "a frame that wants an answer is a barrier");
    if (name.emitter !== 0) assert.equal(typeof member(message, "host_id"), "string");
  }
  const data = member(message, "data");
  const first = Array.isArray(data) ? data[0] : data;
  if (name.chat !== 0) {
    assert.equal(typeof (member(first, "chat_id") ?? member(first, "chatId")), "string", "a chat is in the data");
  }
  if (!name.cumulative) return;
  assert.equal(member(message, "event"), "events");
  const body = member(first, "data");
  assert.equal(member(body, "type"), "chat:completion");
  const inner = member(body, "data");
  const grows = member(inner, "content") ?? member(inner, "output");
  assert.ok(grows !== undefined, "what grows is there");
  if (!name.done) assert.notEqual(member(inner, "done"), true, "a final frame is never replaced");
}
