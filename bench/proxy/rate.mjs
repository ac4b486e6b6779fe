// Latency at a rate that all ways can carry, which says more to an app than the most that one can do. An open loop: commands
// go out when they are due, whatever has been answered. A way's time is from the write of a command to the whole reply.

import { connect } from "node:net";

const VALUE = "v".repeat(100);
const KEY = "keyframe-rate";
const bulk = (words) => `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
const SET = Buffer.from(bulk(["SET", KEY, VALUE]));
const GET = Buffer.from(bulk(["GET", KEY]));
const SET_REPLY = "+OK\r\n".length;
const GET_REPLY = `$${VALUE.length}\r\n${VALUE}\r\n`.length;

/** One connection that always asks the same, so that replies have one length and need no parser. */
function openLine(port, request, replyBytes, onReply) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const asked = [];
    let bytes = 0;
    socket.on("data", (chunk) => {
      const now = performance.now();
      bytes += chunk.length;
      while (bytes >= replyBytes && asked.length > 0) {
        bytes -= replyBytes;
        onReply(now - asked.shift());
      }
    });
    socket.once("error", reject);
    const ask = () => {
      asked.push(performance.now());
      socket.write(request);
    };
    socket.once("connect", () => resolve({ ask, open: () => asked.length, close: () => socket.destroy() }));
  });
}

function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/**
 * Half GET, half SET of 100 bytes, spread over the connections, for so many seconds after a short warm-up.
 *
 * @param {number} port of the way
 * @param {{ rate: number, seconds: number, connections: number }} load commands a second in all
 * @returns {Promise<{ p50: number, p99: number, commands: number, late: number }>} milliseconds; `late`: the 99th percentile of
 *   how much later than due a command went out
 */
export async function atRate(port, { rate, seconds, connections }) {
  const times = [];
  const lateness = [];
  let counting = false;
  const onReply = (ms) => {
    if (counting) times.push(ms);
  };
  const lines = await Promise.all(
    Array.from({ length: connections }, (_, i) =>
      i % 2 === 0 ? openLine(port, SET, SET_REPLY, onReply) : openLine(port, GET, GET_REPLY, onReply),
    ),
  );
  try {
    // What GET asks for must be there.
    lines[0].ask();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const warmUpMs = 500;
    const began = performance.now();
    let sent = 0;
    await new Promise((resolve) => {
      const tick = () => {
        const now = performance.now() - began;
        counting = now > warmUpMs;
        for (; (sent * 1000) / rate <= now; sent++) {
          if (counting) lateness.push(now - (sent * 1000) / rate);
          lines[sent % lines.length].ask();
        }
        if (now > warmUpMs + seconds * 1000) resolve();
        else setTimeout(tick, 1);
      };
      tick();
    });
    const end = performance.now() + 2_000;
    while (lines.some((line) => line.open() > 0)) {
      if (performance.now() > end) throw new Error("a command was not answered within 2 s");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    for (const line of lines) line.close();
  }
  times.sort((a, b) => a - b);
  lateness.sort((a, b) => a - b);
  return {
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    commands: times.length,
    late: quantile(lateness, 0.99),
  };
}

/**
 * All ways in turn, in each round in another order.
 *
 * @param {{ name: string, port: number }[]} ways
 * @param {{ rate: number, seconds: number, connections: number, rounds: number }} load
 * @returns {Promise<{ round: number, way: string, p50: number, p99: number, commands: number, late: number }[]>}
 */
export async function ratesOf(ways, load) {
  const runs = [];
  for (let round = 0; round < load.rounds; round++) {
    for (const way of round % 2 === 0 ? ways : [...ways].reverse()) {
      runs.push({ round, way: way.name, ...(await atRate(way.port, load)) });
    }
  }
  return runs;
}
