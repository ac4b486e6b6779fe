/**
 * Large frames against whoever can publish on a side channel: transfers of several senders, interleaved, with chunks lost,
 * repeated, damaged, and any bytes between them. Nothing throws; nothing is delivered but bytes whose checksum an opening or
 * a record on that very channel has named; memory stays within its limit, and nothing outlives its time.
 */
import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { crc32 } from "../../../src/frame/checksum.js";
import { ChunkForm, decodeChunk, encodeChunk, plainChunk } from "../../../src/frame/chunk.js";
import { MessageType, typeOf } from "../../../src/frame/message.js";
import { encodeMessage, encodeRecord, MessageReader, RecordKind } from "../../../src/frame/record.js";
import { Reassembler } from "../../../src/plane/reassembly.js";
import { Rebuilder } from "../../../src/plane/rebuild.js";
import { copy, guarded, Input, refused } from "../input.js";

const channels = [Buffer.from("socketio"), Buffer.from("socketio#/#r")];
const OWN = 7;
const rebuilding = {
  count: 6,
  bytes: 4096,
  idleMs: 5_000,
  holdMs: 1_000,
  holdBytes: 2048,
  maxPayloadBytes: 2048,
  askMs: 50,
};
const limits = { bytes: 3_000, waitMs: 1_000, maxPayloadBytes: 2048 };

/** What a sender is in the middle of. */
interface Sending {
  transfer: number;
  index: number;
  body: Buffer;
}

class World {
  now = 1_000;
  readonly rebuilder: Rebuilder;
  readonly reassembler: Reassembler;
  readonly sending: Sending[] = [1, 2, OWN].map(() => ({ transfer: 0, index: 0, body: Buffer.alloc(0) }));
  readonly #named = [new Set<number>(), new Set<number>()];
  readonly #reader = new MessageReader();

  constructor() {
    const clock = { now: () => this.now };
    this.rebuilder = new Rebuilder(OWN, rebuilding, clock, {
      deliver: (channel, payload) => {
        const at = channels.findIndex((one) => one.equals(channel));
        assert.ok(this.#named[at]!.has(crc32(payload)), "bytes that nothing on this channel has named");
        assert.ok(payload.length <= limits.maxPayloadBytes);
      },
      ask: () => {},
      resync: () => {},
      undelivered: () => {},
      repeat: () => {},
      needs: () => true,
      skipped: () => {},
      made: () => true,
      impostor: () => {},
      repaired: () => {},
      evicted: () => {},
    });
    this.reassembler = new Reassembler(OWN, limits, clock, {
      credit: (epoch) => assert.notEqual(epoch, OWN),
      own: () => {},
      message: (channel, message) => {
        assert.equal(message.buffer.byteLength, message.length, "memory of its own");
        this.rebuilder.message(channel, message);
      },
      waitsFor: (epoch, instance) => this.rebuilder.waitsFor(epoch, instance),
      underway: (epoch, instance) => this.rebuilder.underway(epoch, instance),
      undelivered: (_reason, frames) => assert.equal(frames, 1),
      malformed: () => {},
    });
  }

  hear(at: number, bytes: Buffer): void {
    const chunk = typeOf(bytes) === MessageType.Chunk;
    const opening = chunk ? guarded(() => decodeChunk(bytes)) : undefined;
    if (opening === undefined) this.#name(at, bytes);
    else if (!refused(opening) && opening.form === ChunkForm.Opening) this.#name(at, opening.rest);
    if (chunk) this.reassembler.message(channels[at]!, bytes);
    else this.rebuilder.message(channels[at]!, bytes);
    // The socket's memory is used again: what is kept must be its own.
    bytes.fill(0x5a);
    assert.ok(this.reassembler.bytes <= limits.bytes, `${this.reassembler.bytes} bytes of what is not whole`);
  }

  #name(at: number, message: Buffer): void {
    if (refused(guarded(() => this.#reader.open(message)))) return;
    while (this.#reader.next()) this.#named[at]!.add(this.#reader.crc);
    this.#reader.close();
  }
}

function opening(world: World, who: number, input: Input): Buffer {
  const shape = input.u8();
  const payload = copy(input.bytes(input.u8()));
  const body = (shape & 64) === 0 ? payload : Buffer.concat(Array.from({ length: 9 }, () => payload));
  const seq = 1 + (input.u8() % 8);
  const epoch = [1, 2, OWN][who]!;
  const { head } = encodeRecord(
    {
      kind: (shape & 3) === 2 ? RecordKind.Repair : RecordKind.Whole,
      keep: true,
      cumulative: (shape & 4) !== 0,
      deflated: false,
      domain: input.u8(),
      instance: 1 + ((shape >> 3) & 3),
      seq,
      back: 1,
      streamKey: (shape & 32) !== 0 ? 1 : -1,
      primerInstance: 0,
      primerSeq: 0,
      newest: false,
      length: body.length,
      crc: crc32(body),
      mark: 0,
    },
    body,
  );
  const sending = world.sending[who]!;
  sending.transfer++;
  sending.index = 0;
  sending.body = body;
  const rest = encodeMessage(epoch, 1, [{ head, body: Buffer.alloc(0), mark: 0 }]);
  return encodeChunk(epoch, 1, sending.transfer, 0, { form: ChunkForm.Opening, length: body.length, rest });
}

function next(world: World, who: number, input: Input): Buffer {
  const sending = world.sending[who]!;
  const shape = input.u8();
  const part = sending.body.subarray(0, shape & 0x3f);
  // Not taken off the body: the same bytes come again, under the next index.
  if ((shape & 0x40) === 0) sending.body = sending.body.subarray(part.length);
  const packed =
    (shape & 0x80) === 0
      ? plainChunk(part)
      : { form: ChunkForm.Deflated, length: part.length, rest: deflateRawSync(part, { level: 1 }) };
  return encodeChunk([1, 2, OWN][who]!, 1, sending.transfer, ++sending.index, packed);
}

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const world = new World();
  while (input.left > 0) {
    const op = input.u8();
    const at = (op >> 4) & 1;
    const who = (op >> 5) % 3;
    switch (op & 7) {
      case 0:
        world.hear(at, copy(input.bytes(input.u8())));
        break;
      case 1:
        world.now += input.u8() * 20;
        world.reassembler.tick();
        world.rebuilder.tick();
        break;
      case 2:
        // One is lost.
        next(world, who, input);
        break;
      case 3: {
        const damaged = next(world, who, input);
        const bit = input.u16();
        damaged[bit % damaged.length]! ^= 1 << (bit >> 13);
        world.hear(at, damaged);
        break;
      }
      case 4:
        world.sending[who]!.index = Math.max(0, world.sending[who]!.index - 1);
        break;
      case 5:
        world.hear(at, opening(world, who, input));
        break;
      default:
        world.hear(at, next(world, who, input));
    }
  }
  world.now += limits.waitMs;
  world.reassembler.tick();
  assert.equal(world.reassembler.bytes, 0, "nothing outlives its time");
}
