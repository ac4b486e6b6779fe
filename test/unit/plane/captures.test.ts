/** Every recording, frame by frame through encoder and rebuilder: every byte comes back, in order, for few bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAnswer } from "../../../bench/generate.js";
import { captureFiles, readCapture } from "../../support/captures.js";
import { ManualClock, TestReceiver, TestSender } from "./support.js";

interface Run {
  frames: number;
  appBytes: number;
  wireBytes: number;
  kinds: Record<string, number>;
}

function run(frames: Iterable<{ channel: Buffer; payload: Buffer }>): Run {
  const clock = new ManualClock();
  const sender = new TestSender(0xabc, clock);
  const receiver = new TestReceiver(clock);
  const result: Run = { frames: 0, appBytes: 0, wireBytes: 0, kinds: {} };
  for (const { channel, payload } of frames) {
    clock.ms += 5;
    const sent = sender.send(channel, payload);
    result.frames++;
    result.appBytes += payload.length;
    result.wireBytes += (sent.message ?? payload).length;
    const kind = sent.encoded?.kind ?? "raw";
    result.kinds[kind] = (result.kinds[kind] ?? 0) + 1;
    receiver.receive(sent);
    const got = receiver.delivered.pop();
    assert.ok(got, "the frame comes back");
    assert.ok(got.payload.equals(payload), "byte for byte");
    assert.equal(got.channel, channel.toString("latin1"));
    assert.equal(receiver.delivered.length, 0);
  }
  assert.deepEqual(receiver.resyncs, []);
  return result;
}

for (const file of captureFiles()) {
  const { name } = file;
  test(`${name} comes back byte for byte`, (t) => {
    const { frames, appBytes, wireBytes, kinds } = run(readCapture(file.path));
    const mean = wireBytes / frames;
    t.diagnostic(
      `${name}: ${frames} frames, ${(appBytes / frames).toFixed(0)} B -> ${mean.toFixed(1)} B a frame, ${JSON.stringify(kinds)}`,
    );
    assert.ok(mean <= (name.startsWith("0.6.34") ? 50 : 40), `${mean.toFixed(1)} B a frame, header included`);
  });
}

test("a 4,000-token answer of the 0.11.0 shape takes at least 400 times fewer bytes", (t) => {
  const { frames, appBytes, wireBytes } = run(makeAnswer({ shape: "0.11.0", tokens: 4_000, seed: 1 }));
  t.diagnostic(`${frames} frames, ${appBytes} B -> ${wireBytes} B, ${(appBytes / wireBytes).toFixed(0)} times fewer`);
  assert.ok(appBytes / wireBytes >= 400);
});
