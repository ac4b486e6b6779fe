// How a test drives a Node peer: the line protocol of test/peers/python/control.py, for Node. One JSON object a line,
// requests on stdin, answers and events on stdout; requests run concurrently; bytes are {"$bytes": "<base64>"}.

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** The JSON form of a value to the value that is given to Socket.IO. */
export function fromWire(value) {
  if (Array.isArray(value)) return value.map(fromWire);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bytes === "string" && Object.keys(value).length === 1) return Buffer.from(value.$bytes, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromWire(item)]));
}

/** The reverse, for what a client has answered. */
export function toWire(value) {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value).toString("base64") };
  }
  if (Array.isArray(value)) return value.map(toWire);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Set) return [...value].map(toWire);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toWire(item)]));
}

/** Writes one line to the test. */
export function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Emits all chats of a `stream` request at the same time, each in its own order, in the shape of Open WebUI. */
export async function runStream(emit, request) {
  const one = async (chat) => {
    let text = chat.text ?? "";
    for (const [index, token] of request.tokens.entries()) {
      text += token;
      const done = index === request.tokens.length - 1;
      const data = { type: "chat:completion", data: { content: text, done } };
      await emit("events", { chat_id: chat.chat_id, message_id: chat.message_id, data }, chat.room);
      // At least one turn of the loop: without it one chat would be emitted whole before the next begins.
      if (request.pause_ms) await sleep(request.pause_ms);
      else await new Promise(setImmediate);
    }
  };
  await Promise.all(request.chats.map(one));
}

/** Answers requests until stdin ends, then ends the process. */
export function serve(operations) {
  const perform = async (request) => {
    if (request.op !== "batch") return toWire(await operations[request.op](request));
    const values = [];
    for (const step of request.steps) values.push(await perform(step));
    return values;
  };
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("line", (line) => {
    const request = JSON.parse(line);
    perform(request).then(
      (value) => tell({ id: request.id, value: value ?? null }),
      (error) => tell({ id: request.id, error: `${error.name}: ${error.message}` }),
    );
  });
  lines.on("close", () => process.exit(0));
}
