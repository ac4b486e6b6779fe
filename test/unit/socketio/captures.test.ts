/** Every recorded JSON frame named by bounded reading must be named as a full parse would name it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nameFrame, newFrameName } from "../../../src/socketio/dialect.js";
import { captureFiles, readCapture } from "../../support/captures.js";

interface Message {
  event: string;
  data: [{ chat_id: string; message_id?: string; data: { type: string; data: Record<string, unknown> } }];
  room: string;
  skip_sid: string | null;
  host_id: string;
}

/** What the name must be a function of, and nothing else. */
function identity(channel: string, m: Message): string {
  const { chat_id, message_id, data } = m.data[0];
  const inner = data.data;
  const grows =
    data.type === "chat:completion" ? ("content" in inner ? "content" : "output" in inner ? "output" : "") : "";
  // `{"usage": …, "output": …}`: a member that is no growing field may stand before it, as long as it is short.
  const kind = typeof inner.type === "string" ? inner.type : "";
  const item = kind.endsWith(".delta") ? inner.item_id : "";
  return JSON.stringify([
    channel,
    m.room,
    m.skip_sid,
    m.host_id,
    m.event,
    chat_id,
    message_id,
    data.type,
    grows,
    kind,
    item,
  ]);
}

for (const { name: file, path } of captureFiles()) {
  describe(file, () => {
    const rows = [...readCapture(path)];
    const name = newFrameName();
    test("every frame is named, with its chat and its emitter, and none is a barrier", () => {
      for (const { channel, payload } of rows) {
        assert.ok(nameFrame(channel, payload, name));
        assert.ok(name.chat !== 0 && name.emitter !== 0 && !name.barrier);
      }
    });
    if (rows[0]!.payload[0] !== 0x7b) return;
    test("streams, chats, emitters and flags are those of a full parse", () => {
      const streams = new Map<string, number>();
      const chats = new Map<string, number>();
      const emitters = new Map<string, number>();
      for (const { channel, payload } of rows) {
        const message = JSON.parse(payload.toString()) as Message;
        const inner = message.data[0].data.data;
        const key = identity(channel.toString(), message);
        nameFrame(channel, payload, name);
        for (const [map, id, value] of [
          [streams, key, name.stream],
          [chats, message.data[0].chat_id, name.chat],
          [emitters, message.host_id, name.emitter],
        ] as const) {
          assert.equal(map.get(id) ?? value, value, id);
          map.set(id, value);
        }
        const isCompletion = message.data[0].data.type === "chat:completion";
        const grows = isCompletion && ("content" in inner || "output" in inner);
        assert.equal(name.cumulative, grows, key);
        assert.equal(name.done, inner.done === true || (grows && Object.keys(inner).length > 1), key);
      }
      for (const map of [streams, chats, emitters]) assert.equal(new Set(map.values()).size, map.size);
    });
  });
}
