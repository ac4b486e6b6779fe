/**
 * What naming a frame costs. Run it with `node build/bench/dialect.js` on a quiet machine: it prints, for every
 * recording and for JSON and pickle frames of several sizes, the best and the median of its rounds in nanoseconds a
 * frame, and the heap a frame allocates.
 */
import { nameFrame, newFrameName } from "../src/socketio/dialect.js";
import { captureFiles, readCapture } from "../test/support/captures.js";

interface Frame {
  channel: Buffer;
  payload: Buffer;
}

const ROUNDS = 400;
const name = newFrameName();

function measure(what: string, frames: readonly Frame[]): void {
  // Short rounds, so that some of them run undisturbed on a machine that is shared.
  const some = frames.slice(0, 500);
  const times: number[] = [];
  const heap = process.memoryUsage().heapUsed;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = process.hrtime.bigint();
    for (const frame of some) nameFrame(frame.channel, frame.payload, name);
    times.push(Number(process.hrtime.bigint() - begin) / some.length);
  }
  const bytes = Math.max(0, process.memoryUsage().heapUsed - heap) / (ROUNDS * some.length);
  times.sort((a, b) => a - b);
  const size = some.reduce((sum, frame) => sum + frame.payload.length, 0) / some.length;
  console.log(
    `${what.padEnd(24)} ${size.toFixed(0).padStart(9)} B  best ${times[0]!.toFixed(0).padStart(6)} ns  median ` +
      `${times[ROUNDS >> 1]!.toFixed(0).padStart(6)} ns  heap ${bytes.toFixed(1)} B`,
  );
}

const recordings = captureFiles().map(({ name: file, path }) => ({ file, frames: [...readCapture(path)] }));
for (let warm = 0; warm < 3; warm++) {
  for (const { frames } of recordings) for (const frame of frames) nameFrame(frame.channel, frame.payload, name);
}
for (const { file, frames } of recordings) measure(file, frames);

const frame = recordings.find(({ file }) => file.startsWith("0.9.5-a"))!.frames[100]!;
const text = frame.payload.toString();
for (const length of [200, 2_000, 20_000, 2_000_000]) {
  const grown = Buffer.from(text.replace('"content": "', `"content": "${"word ".repeat(length / 5)}`));
  measure(`content of ${length}`, new Array<Frame>(100).fill({ channel: frame.channel, payload: grown }));
}
