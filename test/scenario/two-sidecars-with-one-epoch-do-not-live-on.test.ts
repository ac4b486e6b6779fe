/** A message under a sidecar's own epoch that it never made: another has drawn the same number, and it must begin anew. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodeMessage, encodeRecord, RecordKind } from "../../src/frame/record.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";
import { listen } from "../support/streams.js";

let server: Server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** The side message of a small whole frame, as a sidecar with that epoch would send it. */
function forged(epoch: number, instance: number): Buffer {
  const body = Buffer.from("a frame");
  const record = encodeRecord(
    {
      kind: RecordKind.Whole,
      keep: true,
      cumulative: false,
      deflated: false,
      domain: 0,
      instance,
      seq: 1,
      back: 1,
      streamKey: 7,
      primerInstance: 0,
      primerSeq: 0,
      newest: false,
      length: body.length,
      crc: 0,
      mark: 0,
    },
    body,
  );
  return encodeMessage(epoch, 1, [record]);
}

test("the one that notices says why, and ends for another start", async () => {
  const sidecar = await startSidecar({ upstream: server.url });
  const publisher = await RespClient.connect({ port: server.port });
  try {
    await sidecar.ready();
    await listen(sidecar.port, "socketio");
    const [inbox] = (await server.cli("PUBSUB", "CHANNELS", "~kf1~in~*")).trim().split("\n");
    const [, epoch] = /~in~([0-9a-f]{8})/.exec(inbox!)!;
    await publisher.command("PUBLISH", "~kf1~socketio", forged(Number.parseInt(epoch!, 16), 12_345));
    await sidecar.logged("epoch-collision");
    // It ends by itself: the signal finds nobody, and the exit code is its own.
    await sidecar.logged("uncaught-exception");
    assert.equal(await sidecar.stop(), 1);
  } finally {
    await sidecar.stop("SIGKILL");
    await publisher.close();
  }
});
