/**
 * What one request, reply, value or message costs in `resp/`. Run it with `node build/bench/resp.js` on a quiet
 * machine: it prints the best and the median of its rounds in nanoseconds, and the heap that one of them allocates.
 *
 * The inputs are chunks of 64 KiB (a socket's slab) filled with equal values, as a pipelining client sends them; in
 * the `split` rows the same bytes come in pieces of 1,400 (a TCP segment), so that values are cut.
 */

import { defaultRespLimits } from "../src/core/limits.js";
import { encodeCommand, messagePush } from "../src/resp/encoder.js";
import { ReplyDecoder } from "../src/resp/reply-decoder.js";
import { ReplyScanner } from "../src/resp/reply-scanner.js";
import { RequestDecoder } from "../src/resp/request.js";

const SLAB = 64 * 1024;
const ROUNDS = 60;
const CHUNKS_PER_ROUND = 20;

/** Keeps what the loops compute alive. */
let sink = 0;

function command(...args: string[]): Buffer {
  return Buffer.concat(encodeCommand(args));
}

/** Chunks that hold `count` copies of `value`: one slab, or pieces of `pieceBytes`. */
function chunksOf(value: Buffer, pieceBytes: number): { chunks: Buffer[]; count: number } {
  const count = Math.max(1, Math.floor(SLAB / value.length));
  const whole = Buffer.concat(new Array<Buffer>(count).fill(value));
  const chunks: Buffer[] = [];
  for (let at = 0; at < whole.length; at += pieceBytes) chunks.push(Buffer.from(whole.subarray(at, at + pieceBytes)));
  return { chunks, count };
}

function measure(name: string, operations: number, round: () => void): void {
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const begin = process.hrtime.bigint();
    round();
    times.push(Number(process.hrtime.bigint() - begin) / operations);
  }
  const heap = process.memoryUsage().heapUsed;
  round();
  const grown = Math.max(0, process.memoryUsage().heapUsed - heap) / operations;
  times.sort((a, b) => a - b);
  const best = times[0]!.toFixed(0).padStart(6);
  const median = times[times.length >> 1]!.toFixed(0).padStart(6);
  console.log(`${name.padEnd(44)}${best} ns best${median} ns median${grown.toFixed(1).padStart(8)} B heap`);
}

function requests(name: string, value: Buffer, pieceBytes = SLAB): void {
  const { chunks, count } = chunksOf(value, pieceBytes);
  const decoder = new RequestDecoder(defaultRespLimits);
  measure(`request  ${name}`, count * CHUNKS_PER_ROUND, () => {
    for (let i = 0; i < CHUNKS_PER_ROUND; i++) {
      for (const chunk of chunks) {
        decoder.write(chunk);
        while (decoder.next()) sink = (sink + decoder.command + decoder.argc + decoder.end) | 0;
      }
    }
  });
}

function replies(name: string, value: Buffer, pieceBytes = SLAB): void {
  const { chunks, count } = chunksOf(value, pieceBytes);
  const scanner = new ReplyScanner(defaultRespLimits);
  measure(`scan     ${name}`, count * CHUNKS_PER_ROUND, () => {
    for (let i = 0; i < CHUNKS_PER_ROUND; i++) {
      for (const chunk of chunks) {
        scanner.write(chunk);
        while (scanner.next()) sink = (sink + scanner.type + scanner.head + scanner.end) | 0;
      }
    }
  });
}

function values(name: string, value: Buffer, pieceBytes = SLAB): void {
  const { chunks, count } = chunksOf(value, pieceBytes);
  const decoder = new ReplyDecoder(defaultRespLimits, () => {
    sink = (sink + 1) | 0;
  });
  measure(`decode   ${name}`, count * CHUNKS_PER_ROUND, () => {
    for (let i = 0; i < CHUNKS_PER_ROUND; i++) for (const chunk of chunks) decoder.write(chunk);
  });
}

function encodings(name: string, encode: () => Buffer[]): void {
  measure(`encode   ${name}`, 20_000, () => {
    for (let i = 0; i < 20_000; i++) sink = (sink + encode().length) | 0;
  });
}

const frame = "x".repeat(500);
const channel = Buffer.from("socketio#/#user:1c7b");
const get = command("GET", "session:1234567");
const message = Buffer.concat(messagePush(false, channel, Buffer.from(frame)));

// Every kind of input once, so that no row profits from code compiled for that row alone.
for (const pass of ["warm-up", "measured"]) {
  console.log(`-- ${pass}`);
  requests("PING", command("PING"));
  requests("GET session:1234567", get);
  requests("GET session:1234567, split", get, 1400);
  requests("SET key, 100 B", command("SET", "session:1234567", "v".repeat(100)));
  requests("PUBLISH, 500 B", command("PUBLISH", "socketio#/#user:1c7b", frame));
  requests("PUBLISH, 500 B, split", command("PUBLISH", "socketio#/#user:1c7b", frame), 1400);
  requests("HSET of 10 arguments", command("HSET", "k", "a", "1", "b", "2", "c", "3", "d", "4"));
  requests("PING, inline", Buffer.from("PING\r\n"));
  replies("+OK", Buffer.from("+OK\r\n"));
  replies(":1", Buffer.from(":1\r\n"));
  replies("$15", Buffer.from("$15\r\n0123456789abcde\r\n"));
  replies("$15, split", Buffer.from("$15\r\n0123456789abcde\r\n"), 1400);
  replies("message, 500 B", message);
  replies("message, 500 B, split", message, 1400);
  replies("array of 10 bulks", command(..."0123456789"));
  values("+OK", Buffer.from("+OK\r\n"));
  values(":1", Buffer.from(":1\r\n"));
  values("message, 500 B", message);
  values("message, 500 B, split", message, 1400);
  const [small, large] = [Buffer.alloc(500), Buffer.alloc(12_000)];
  encodings("PUBLISH, 500 B", () => encodeCommand(["PUBLISH", channel, small]));
  encodings("PUBLISH, 12 KB by reference", () => encodeCommand(["PUBLISH", channel, large]));
  encodings("message push, 500 B", () => messagePush(true, channel, small));
}
if (sink === 0) console.log("nothing was measured");
