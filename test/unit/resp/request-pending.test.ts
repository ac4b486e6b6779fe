/** RequestDecoder between the beginning and the end of a request: pendingBytes, pendingCommand, release(), memory. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { defaultRespLimits } from "../../../src/core/limits.js";
import { Command } from "../../../src/resp/command.js";
import { RequestDecoder } from "../../../src/resp/request.js";
import { byteByByte, bytes, cuts, memoryInUse, noteRequest, pieces, request } from "./feed.js";

test("pendingCommand is None until argument 0 is complete, pendingBytes counts every byte", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  const whole = bytes(request("CLIENT", "REPLY", "SKIP"));
  const nameEnds = "*3\r\n$6\r\nCLIENT\r\n".length;
  assert.equal(decoder.pendingBytes, 0);
  byteByByte(whole).forEach((piece, i) => {
    decoder.write(piece);
    const ended = decoder.next();
    // The first piece is empty, so piece i brings byte i.
    assert.equal(ended, i === whole.length);
    if (ended) return;
    assert.equal(decoder.pendingBytes, i);
    assert.equal(decoder.pendingCommand, i >= nameEnds ? Command.Client : Command.None);
  });
  assert.equal(decoder.command, Command.Client);
  assert.equal(decoder.pendingBytes, 0);
  assert.equal(decoder.pendingCommand, Command.None);
});

test("a name longer than any we know is Other before its bytes have come", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  decoder.write(bytes("*1\r\n$5000000\r\nxxxx"));
  assert.equal(decoder.next(), false);
  assert.equal(decoder.pendingCommand, Command.Other);
});

test("a request behind the pending one is not touched by it", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  decoder.write(bytes(`${request("AUTH", "secret")}*2\r\n$4\r\nAU`));
  assert.equal(decoder.next(), true);
  assert.equal(decoder.command, Command.Auth);
  assert.equal(decoder.next(), false);
  assert.equal(decoder.pendingBytes, 10);
  decoder.write(bytes(`TH\r\n$1\r\nx\r\n${request("PING")}`));
  assert.equal(decoder.next(), true);
  assert.deepEqual(noteRequest(decoder), {
    command: Command.Auth,
    args: ["AUTH", "x"],
    raw: request("AUTH", "x"),
  });
  assert.equal(decoder.next(), true);
  assert.equal(decoder.command, Command.Ping);
});

test("release() forgets the bytes, counts to the end, and the next request is whole again", () => {
  const whole = bytes(`${request("SET", "key", "v".repeat(500))}${request("GET", "key")}`);
  fc.assert(
    fc.property(cuts(whole.length), fc.nat({ max: 12 }), (at, releaseAt) => {
      const decoder = new RequestDecoder(defaultRespLimits);
      const seen: unknown[] = [];
      let releasedNow = false;
      pieces(whole, at).forEach((chunk, i) => {
        decoder.write(chunk);
        while (decoder.next()) {
          seen.push(decoder.argc, decoder.command);
          assert.equal(decoder.released, releasedNow);
          if (decoder.released) {
            assert.equal(decoder.continued, true);
            assert.throws(() => decoder.arg(0), /released/);
            assert.throws(() => decoder.copyArg(0), /released/);
            assert.throws(() => decoder.raw(), /released/);
          } else {
            noteRequest(decoder);
          }
          releasedNow = false;
        }
        if (i >= releaseAt && decoder.pendingBytes > 0) {
          decoder.release();
          releasedNow = true;
        }
      });
      assert.deepEqual(seen, [3, Command.Other, 2, Command.Other]);
      assert.equal(decoder.pendingBytes, 0);
    }),
    { numRuns: 500 },
  );
});

test("release() before the name is complete does not lose the command", () => {
  for (const input of [request("PUBLISH", "c", "p"), "publish c p\r\n"]) {
    const whole = bytes(input);
    for (let at = 1; at < whole.length; at++) {
      for (let second = at + 1; second < whole.length; second++) {
        const decoder = new RequestDecoder(defaultRespLimits);
        const ended = pieces(whole, [at, second]).map((chunk) => {
          decoder.write(chunk);
          const end = decoder.next();
          if (!end) decoder.release();
          return end;
        });
        assert.deepEqual(ended, [false, false, true]);
        assert.deepEqual([decoder.command, decoder.argc, decoder.released], [Command.Publish, 3, true]);
      }
    }
  }
});

test("release() at a boundary does nothing", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  decoder.release();
  decoder.write(bytes(request("PING")));
  assert.equal(decoder.next(), true);
  assert.equal(decoder.released, false);
  decoder.release();
  assert.equal(decoder.arg(0).toString(), "PING");
});

test("the end of a released request is found beyond 4 GiB", () => {
  const decoder = new RequestDecoder({ ...defaultRespLimits, maxBulkBytes: 2 ** 40 });
  const chunk = Buffer.alloc(1 << 26);
  const count = 80;
  decoder.write(bytes(`*2\r\n$3\r\nSET\r\n$${chunk.length * count}\r\n`));
  assert.equal(decoder.next(), false);
  for (let i = 0; i < count; i++) {
    decoder.release();
    decoder.write(chunk);
    assert.equal(decoder.next(), false);
  }
  assert.equal(decoder.pendingBytes, chunk.length * count + "*2\r\n$3\r\nSET\r\n$5368709120\r\n".length);
  decoder.write(bytes(`\r\n${request("PING")}`));
  assert.equal(decoder.next(), true);
  assert.equal(decoder.end, 2);
  assert.equal(decoder.next(), true);
  assert.equal(decoder.command, Command.Ping);
});

test("half a request holds no more than about what was received, not the chunk it came in", () => {
  const decoders: RequestDecoder[] = [];
  const before = memoryInUse();
  for (let i = 0; i < 200; i++) {
    const decoder = new RequestDecoder(defaultRespLimits);
    const slab = Buffer.allocUnsafeSlow(65_536);
    slab.fill(request("PING"));
    const complete = Math.floor((slab.length - 200) / 14) * 14;
    slab.write(`*2\r\n$3\r\nGET\r\n$100000\r\n${"x".repeat(slab.length)}`, complete, "latin1");
    decoder.write(slab);
    while (decoder.next());
    assert.ok(decoder.pendingBytes > 0);
    decoders.push(decoder);
  }
  const grown = memoryInUse() - before;
  assert.ok(grown < 200 * 8192, `${grown} bytes for ${decoders.length} tails of some 200 bytes`);
});

test("a request of very many tiny pieces is read in good time", () => {
  const args = ["SUBSCRIBE", ...Array.from({ length: 5000 }, (_, i) => `channel:${i}`)];
  const decoder = new RequestDecoder(defaultRespLimits);
  const begun = performance.now();
  let ended = 0;
  for (const piece of byteByByte(bytes(request(...args)))) {
    decoder.write(piece);
    while (decoder.next()) {
      ended++;
      assert.deepEqual(noteRequest(decoder).args, args);
    }
  }
  assert.equal(ended, 1);
  assert.ok(performance.now() - begun < 5000, "no quadratic work");
});

test("asking again before the next write changes nothing: a request over many chunks comes whole", () => {
  const decoder = new RequestDecoder(defaultRespLimits);
  const payload = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) & 0xff));
  const whole = Buffer.concat([bytes("*3\r\n$7\r\nPUBLISH\r\n$8\r\nsocketio\r\n$300000\r\n"), payload, bytes("\r\n")]);
  for (let at = 0; at < whole.length; at += 65_536) {
    decoder.write(whole.subarray(at, at + 65_536));
    const last = at + 65_536 >= whole.length;
    assert.equal(decoder.next(), last);
    if (last) break;
    const seen = decoder.pendingBytes;
    assert.equal(decoder.next(), false);
    assert.equal(decoder.next(), false);
    assert.equal(decoder.pendingBytes, seen);
  }
  assert.ok(decoder.copyArg(2).equals(payload));
  assert.ok(Buffer.concat(decoder.raw()).equals(whole));
});
