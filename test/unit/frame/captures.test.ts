/** Captured traffic through the codec and back: every frame is rebuilt from the wire alone, and takes few bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { captureFiles, readCapture } from "../../support/captures.js";
import { codeAll, outputFrame, type Published, tokens } from "./support.js";

/**
 * Most bytes a frame, on the mean: [bodies of all records, whole messages of one record each]. Measured figures with a
 * tenth to spare, and never above what was promised (22; with all headers 40, pickle 50). Only the tool round is
 * dearer: 250 frames of 4.5 KB that alternate two shapes in one stream and bring 20 KB of new text.
 */
const MOST: Record<string, readonly [number, number]> = {
  "0.6.34-a_plain": [21, 43],
  "0.9.5-a_plain": [16, 37],
  "0.9.5-b_reason": [17, 39],
  "0.9.5-c_conc8": [18, 39],
  "0.9.5-e_tool": [41, 62],
  "0.11.4-a_plain": [13, 36],
  "0.12.4-a_plain": [17, 40],
  "0.12.4-c_conc8": [19, 40],
  "0.12.4-d_saved": [17, 40],
};

for (const { name, path } of captureFiles()) {
  const most = MOST[name];
  if (most === undefined) continue;
  test(`${name}: every frame is rebuilt, in few bytes`, (t) => {
    const totals = codeAll(readCapture(path));
    const bodies = totals.bodyBytes / totals.frames;
    const wire = totals.wireBytes / totals.frames;
    const said = `bodies ${bodies.toFixed(1)}, wire ${wire.toFixed(1)} bytes a frame`;
    assert.ok(bodies <= most[0] && wire <= most[1], said);
    t.diagnostic(said);
  });
}

test("every capture that a limit is set for is there", () => {
  const names = captureFiles().map((file) => file.name);
  assert.deepEqual(
    Object.keys(MOST).filter((name) => !names.includes(name)),
    [],
  );
});

test("an answer of 4,000 tokens in the shape of 0.11.0 takes 400 times fewer bytes than its frames", (t) => {
  const frames: Published[] = [];
  let text = "";
  for (const token of tokens(4000)) {
    text += token;
    // The app strips the text, so that some frames do not grow.
    frames.push({ channel: Buffer.from("socketio"), payload: outputFrame(text.trim()) });
  }
  frames.push({ channel: Buffer.from("socketio"), payload: outputFrame(text.trim(), "completed") });
  const totals = codeAll(frames);
  const ratio = totals.frameBytes / totals.wireBytes;
  const said = `${ratio.toFixed(0)} times, ${(totals.wireBytes / totals.frames).toFixed(1)} bytes a frame of ${(totals.frameBytes / totals.frames).toFixed(0)}`;
  assert.ok(ratio >= 400, said);
  t.diagnostic(said);
});
