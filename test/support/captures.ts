/**
 * Reads recorded traffic (bench/fixtures, see the README there): gzip, one JSON object a line, payloads in base64.
 */
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { inRoot } from "./root.js";

/** One PUBLISH that a real app made. `t` is microseconds of wall clock, `conn` the app's Redis connection. */
export interface CapturedPublish {
  t: number;
  pod: string;
  conn: number;
  channel: Buffer;
  payload: Buffer;
}

/** The PUBLISHes of one recording in the order in which the server saw them. Payloads are byte-exact. */
export function* readCapture(path: string): Generator<CapturedPublish> {
  const text = gunzipSync(readFileSync(path)).toString("utf8");
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline === -1 ? text.length : newline;
    if (end > at) {
      const line = JSON.parse(text.slice(at, end)) as Omit<CapturedPublish, "channel" | "payload"> & {
        channel: string;
        payload: string;
      };
      yield {
        t: line.t,
        pod: line.pod,
        conn: line.conn,
        channel: Buffer.from(line.channel),
        payload: Buffer.from(line.payload, "base64"),
      };
    }
    at = end + 1;
  }
}

export interface CaptureFile {
  /** File name without its ending, such as `0.9.5-a_plain`. */
  name: string;
  path: string;
}

/** The recordings of bench/fixtures, ordered by release. */
export function captureFiles(): CaptureFile[] {
  const dir = inRoot("bench", "fixtures");
  return readdirSync(dir)
    .filter((file) => file.endsWith(".jsonl.gz"))
    .map((file) => ({ name: file.slice(0, -".jsonl.gz".length), path: `${dir}/${file}` }))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** Path of one recording of bench/fixtures by its name, such as `0.12.4-c_conc8`. */
export function capturePath(name: string): string {
  return inRoot("bench", "fixtures", `${name}.jsonl.gz`);
}
