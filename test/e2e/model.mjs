// A model server with the OpenAI interface, for Open WebUI to talk to: it answers by script, at a steady rate, and
// needs no network. What it says is decided by the user's last message: `answer 3 with 600 tokens at 50/s`.

import { createServer } from "node:http";
import { tokensOf } from "./corpus.mjs";

export const MODEL = "scripted";

/** The prompt that asks for answer `seed`. */
export function promptFor(seed, tokens, rate) {
  return `answer ${seed} with ${tokens} tokens at ${rate}/s`;
}

/** Starts the server on a free port of 127.0.0.1. Resolves to { url, requests, close() }; url ends with /v1. */
export async function startModel() {
  const stats = { completions: 0, embeddings: 0 };
  const server = createServer((request, response) => {
    serve(request, response, stats).catch(() => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    stats,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function serve(request, response, stats) {
  const path = request.url.replace(/\?.*/, "");
  if (request.method === "GET" && path === "/v1/models") {
    return json(response, { object: "list", data: [{ id: MODEL, object: "model", created: 1, owned_by: "e2e" }] });
  }
  if (request.method !== "POST") return json(response, { error: { message: "not found" } }, 404);
  const body = await readJson(request);
  if (path === "/v1/embeddings") {
    stats.embeddings++;
    const inputs = [body.input].flat();
    const data = inputs.map((_, index) => ({ object: "embedding", index, embedding: new Array(8).fill(index / 8) }));
    return json(response, { object: "list", model: body.model, data, usage: { prompt_tokens: 1, total_tokens: 1 } });
  }
  if (path === "/v1/chat/completions") {
    stats.completions++;
    return complete(body, response);
  }
  return json(response, { error: { message: "not found" } }, 404);
}

async function complete(body, response) {
  const [, seed, count, rate] = /answer (\d+) with (\d+) tokens at (\d+)\/s/.exec(lastMessage(body)) ?? [0, 0, 8, 100];
  const tokens = tokensOf(Number(seed), Number(count));
  const base = { id: `chatcmpl-${seed}`, created: 1, model: body.model };
  const usage = { prompt_tokens: 10, completion_tokens: tokens.length, total_tokens: 10 + tokens.length };
  if (!body.stream) {
    const message = { role: "assistant", content: tokens.join("") };
    return json(response, {
      ...base,
      object: "chat.completion",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage,
    });
  }
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  const send = (fields) =>
    response.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", ...fields })}\n\n`);
  const choice = (delta, finish_reason = null) => ({ choices: [{ index: 0, delta, finish_reason }] });
  send(choice({ role: "assistant", content: "" }));
  await paced(tokens.length, Number(rate), response, (i) => send(choice({ content: tokens[i] })));
  send(choice({}, "stop"));
  if (body.stream_options?.include_usage) send({ choices: [], usage });
  response.end("data: [DONE]\n\n");
}

/** Calls `emit` for 0..count-1 at `rate` a second; what a slow timer missed is caught up one by one. */
function paced(count, rate, response, emit) {
  return new Promise((resolve) => {
    const began = performance.now();
    let next = 0;
    const tick = () => {
      if (response.destroyed) return resolve();
      const due = Math.min(count, Math.floor(((performance.now() - began) * rate) / 1000) + 1);
      while (next < due) emit(next++);
      if (next === count) resolve();
      else setTimeout(tick, Math.max(1, began + (next * 1000) / rate - performance.now()));
    };
    tick();
  });
}

/** The newest message of the user, whether plain text or parts. */
function lastMessage(body) {
  const content = body.messages?.findLast((message) => message.role === "user")?.content ?? "";
  return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
}

async function readJson(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

function json(response, value, status = 200) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
