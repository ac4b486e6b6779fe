/** The msgpack dialect against what the real redis-adapter publishes. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, test } from "node:test";
import { createAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";
import { DEFAULT_CHANNELS, FrameChannels } from "../../../src/socketio/channels.js";
import { type FrameName, nameFrame, newFrameName } from "../../../src/socketio/dialect.js";

interface Published {
  channel: Buffer;
  payload: Buffer;
}

const published: Published[] = [];

/** A Redis client that publishes into a list. */
class FakeClient extends EventEmitter {
  publish(channel: string, message: Buffer | string): number {
    published.push({ channel: Buffer.from(channel), payload: Buffer.from(message) });
    return 0;
  }
  send_command(_name: string, args: string[], done: (error: null, reply: unknown[]) => void): void {
    done(null, [args[1], 1]);
  }
  psubscribe(): void {}
  subscribe(): void {}
}

function server(): Server {
  const io = new Server();
  io.adapter(createAdapter(new FakeClient(), new FakeClient()));
  return io;
}

const io = server();
const other = server();

/** The one frame that `emit` publishes, and its name. */
function sent(emit: () => void): Published & { name: FrameName } {
  published.length = 0;
  emit();
  assert.equal(published.length, 1);
  const frame = published[0]!;
  const name = newFrameName();
  assert.ok(nameFrame(frame.channel, frame.payload, name), frame.payload.toString("latin1").slice(0, 200));
  assert.equal(name.dialect, "node-msgpack");
  assert.ok(name.emitter !== 0 && name.chat === 0 && !name.cumulative && !name.done && !name.barrier);
  return { ...frame, name };
}

const event = (content: unknown, message = "m", type = "chat:completion"): object => ({
  chat_id: "c",
  message_id: message,
  data: { type, data: { content, more: [1, -5, 3.5, 1e12, -1e12, 70000, null, true, { a: { b: [] } }, new Date(0)] } },
});

describe("streams of the adapter", () => {
  const base = sent(() => io.to("r").emit("events", event("text"))).name;

  test("the text does not matter, short or long, hostile or binary", () => {
    const hostile = Buffer.from("93a6616263646566", "hex").toString("latin1");
    for (const content of [
      "",
      "x".repeat(40),
      "é".repeat(300),
      "y".repeat(70_000),
      hostile,
      Buffer.alloc(300, 0x93),
      null,
      7,
    ]) {
      assert.equal(sent(() => io.to("r").emit("events", event(content))).name.stream, base.stream);
    }
  });

  const different: Record<string, () => void> = {
    room: () => io.to("s").emit("events", event("text")),
    "two rooms": () => io.to(["r", "s"]).emit("events", event("text")),
    "no room": () => io.emit("events", event("text")),
    "an exception": () => io.to("r").except("x").emit("events", event("text")),
    flags: () => io.to("r").volatile.emit("events", event("text")),
    namespace: () => io.of("/admin").to("r").emit("events", event("text")),
    event: () => io.to("r").emit("event", event("text")),
    message: () => io.to("r").emit("events", event("text", "n")),
    type: () => io.to("r").emit("events", event("text", "m", "status")),
    "no object": () => io.to("r").emit("events", "text"),
    emitter: () => other.to("r").emit("events", event("text")),
  };
  for (const [part, emit] of Object.entries(different)) {
    test(`another stream: ${part}`, () => {
      const { name } = sent(emit);
      assert.notEqual(name.stream, base.stream);
      assert.equal(name.emitter === base.emitter, part !== "emitter" && part !== "namespace");
    });
  }

  test("no arguments, many arguments, a list, camel case", () => {
    for (const args of [[], [1, "a", { b: 1 }], [[1, 2, [3]]], [{ chatId: "c", messageId: "m" }], [null], [{}]]) {
      sent(() => io.emit("events", ...args));
    }
    const a = sent(() => io.emit("events", { messageId: "a" })).name.stream;
    assert.notEqual(sent(() => io.emit("events", { messageId: "b" })).name.stream, a);
  });

  test("more values than are stepped over: named by channel, emitter and event", () => {
    const values = Array.from({ length: 5000 }, (_, i) => i);
    const a = sent(() => io.to("r").emit("events", values)).name.stream;
    assert.equal(sent(() => io.to("r").emit("events", [...values, 1])).name.stream, a);
    assert.notEqual(sent(() => io.to("s").emit("events", values)).name.stream, a);
    assert.notEqual(sent(() => io.to("r").emit("other", values)).name.stream, a);
    const deep = JSON.parse(`${"[".repeat(900)}${"]".repeat(900)}`) as unknown;
    sent(() => io.to("r").emit("events", deep));
  });
});

test("an acknowledged broadcast, a server-side emit and requests travel on channels that carry no frames", () => {
  const channels = new FrameChannels(DEFAULT_CHANNELS);
  published.length = 0;
  io.to("r")
    .timeout(5)
    .emit("ask", 1, () => {});
  io.socketsJoin("x");
  io.in("r").disconnectSockets();
  assert.ok(published.length >= 3);
  for (const { channel } of published) assert.equal(channels.matches(channel), false, channel.toString());
  io.emit("x");
  assert.equal(channels.matches(published.at(-1)!.channel), true);
});

test("a packet of another type is a barrier", () => {
  const { payload, channel } = sent(() => io.emit("x", 1));
  const at = payload.indexOf("type") + 4;
  assert.equal(payload[at], 2);
  const changed = Buffer.from(payload);
  changed[at] = 3;
  const name = newFrameName();
  assert.ok(nameFrame(channel, changed, name));
  assert.equal(name.barrier, true);
});

test("cut off anywhere it is refused; other msgpack is refused", () => {
  const { payload, channel } = sent(() => io.to("r").emit("events", event("x".repeat(300))));
  const name = newFrameName();
  for (let end = 0; end < payload.length; end++) {
    assert.equal(nameFrame(channel, payload.subarray(0, end), name), false, `cut at ${end}`);
  }
  assert.equal(nameFrame(channel, Buffer.concat([payload, Buffer.from([0])]), name), false);
  for (const hex of [
    "93",
    "93010203",
    "93a16181a16101",
    "93a161808080",
    "92a16180",
    "93a161c0c0",
    "93a16181a46461746190c0",
  ]) {
    assert.equal(nameFrame(channel, Buffer.from(hex, "hex"), name), false, hex);
  }
});
