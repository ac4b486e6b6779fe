// A relay before the server under measurement that counts what is sent to the server, by command. The bytes pass as
// they come. Only with --by-command: it costs the machine a little, and the server sees its connections.

import { createHash } from "node:crypto";
import { connect, createServer } from "node:net";

const CRLF = Buffer.from("\r\n");
/** Open WebUI keeps the answers that are being written under this key, or under keys that begin with it. */
const SNAPSHOTS = ":tasks:response_streams";

/**
 * Starts a relay on a free port of 127.0.0.1.
 *
 * @param {number} port of the server
 * @returns {Promise<{ url, snapshot(): Map<string, { requests: number, bytes: number }>, stop() }>}
 */
export async function startTap(port) {
  const counts = new Map();
  const sockets = new Set();
  const server = createServer({ noDelay: true }, (app) => {
    const upstream = connect({ port, host: "127.0.0.1", noDelay: true });
    const requests = new Requests((label, bytes) => {
      const count = counts.get(label) ?? { requests: 0, bytes: 0 };
      counts.set(label, { requests: count.requests + 1, bytes: count.bytes + bytes });
    });
    app.on("data", (chunk) => requests.write(chunk));
    app.pipe(upstream);
    upstream.pipe(app);
    for (const [one, other] of [
      [app, upstream],
      [upstream, app],
    ]) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `redis://127.0.0.1:${server.address().port}/0`,
    snapshot: () => new Map(counts),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What was sent between two snapshots, by label, the most bytes first. */
export function tapDifference(before, after) {
  const moved = [...after].map(([label, { requests, bytes }]) => {
    const earlier = before.get(label) ?? { requests: 0, bytes: 0 };
    return [label, { requests: requests - earlier.requests, bytes: bytes - earlier.bytes }];
  });
  const sorted = moved.filter(([, { requests }]) => requests > 0).sort(([, a], [, b]) => b.bytes - a.bytes);
  return Object.fromEntries(sorted);
}

/** Reads the requests of one connection: arrays of bulk strings, and lines (the sidecar's PING). */
class Requests {
  #count;
  #bytes = Buffer.alloc(0);

  constructor(count) {
    this.#count = count;
  }

  write(chunk) {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    for (;;) {
      const request = readRequest(this.#bytes, at);
      if (request === undefined) break;
      this.#count(labelOf(request.args), request.end - at);
      at = request.end;
    }
    this.#bytes = this.#bytes.subarray(at);
  }
}

function readRequest(bytes, from) {
  const lineEnd = bytes.indexOf(CRLF, from);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString("latin1", from, lineEnd);
  let at = lineEnd + 2;
  if (line[0] !== "*") return { args: line.split(" ").map((word) => Buffer.from(word)), end: at };
  const args = [];
  for (let left = Number(line.slice(1)); left > 0; left--) {
    const end = bytes.indexOf(CRLF, at);
    if (end < 0) return undefined;
    const length = Number(bytes.toString("latin1", at + 1, end));
    if (bytes.length < end + 2 + length + 2) return undefined;
    args.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  return { args, end: at };
}

/** The command; for a script the first digits of its SHA-1; and whether it is about snapshots of answers. */
function labelOf(args) {
  const words = [String(args[0]).toUpperCase()];
  const script = words[0] === "EVAL" || words[0] === "EVALSHA";
  if (words[0] === "EVAL") words.push(createHash("sha1").update(args[1]).digest("hex").slice(0, 8));
  if (words[0] === "EVALSHA") words.push(String(args[1]).slice(0, 8));
  if (args[script ? 3 : 1]?.includes(SNAPSHOTS)) words.push("(snapshots)");
  return words.join(" ");
}
