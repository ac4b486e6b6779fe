/** A frame that is kept holds no more memory than about its own, however its request came. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRespLimits } from "../../../src/core/limits.js";
import { ownPayload } from "../../../src/proxy/own-payload.js";
import { RequestDecoder } from "../../../src/resp/request.js";
import { encodeRequest } from "../../support/resp-client.js";

const frame = Buffer.alloc(2_000, "f");
const request = encodeRequest(["PUBLISH", "socketio", frame]);

/** As a socket hands it out: memory of its own. */
function chunk(...parts: Buffer[]): Buffer {
  const whole = Buffer.concat(parts);
  const own = Buffer.allocUnsafeSlow(whole.length);
  whole.copy(own);
  return own;
}

function kept(chunks: readonly Buffer[]): Buffer[] {
  const decoder = new RequestDecoder(defaultRespLimits);
  const payloads: Buffer[] = [];
  for (const one of chunks) {
    decoder.write(one);
    while (decoder.next()) payloads.push(ownPayload(decoder, 2));
  }
  return payloads;
}

test("a request that fills its chunk is not copied", () => {
  const only = chunk(request);
  const payload = kept([only])[0]!;
  assert.ok(payload.equals(frame));
  assert.equal(payload.buffer, only.buffer);
});

test("a frame among others, beside another request, or in a larger slab has memory of its own", () => {
  const ping = encodeRequest(["PING", "p".repeat(300)]);
  const slab = Buffer.alloc(64 * 1024);
  request.copy(slab, 100);
  for (const chunks of [
    [chunk(request, request, request)],
    [chunk(request, ping.subarray(0, 290))],
    [slab.subarray(100, 100 + request.length)],
  ]) {
    for (const payload of kept(chunks)) {
      assert.ok(payload.equals(frame));
      assert.equal(payload.buffer.byteLength, frame.length);
    }
  }
});

test("a frame in several chunks is put together once", () => {
  for (const at of [1, 20, 50, 1_000, request.length - 1]) {
    const payload = kept([chunk(request.subarray(0, at)), chunk(request.subarray(at))])[0]!;
    assert.ok(payload.equals(frame), `cut at ${at}`);
    assert.ok(payload.buffer.byteLength <= frame.length * 1.125, `cut at ${at}`);
  }
});

test("a small frame behind a long channel name is copied", () => {
  const small = chunk(encodeRequest(["PUBLISH", `socketio#/#${"r".repeat(200)}`, "x".repeat(300)]));
  const [payload] = kept([small]);
  assert.equal(payload?.buffer.byteLength, 300);
});
