/**
 * The rebuilder against whoever can publish on a side channel: any bytes, and records that are well formed but lie. Nothing
 * throws; nothing is delivered but raw payloads and bytes whose checksum a record on that very channel has named; memory
 * stays within its limits; no hold outlives its time.
 */
import assert from "node:assert/strict";
import { crc32 } from "../../../src/frame/checksum.js";
import { encodeMessage, encodeRecord, MessageReader, RecordKind } from "../../../src/frame/record.js";
import { diff } from "../../../src/frame/splice.js";
import { packWhole } from "../../../src/frame/whole.js";
import { Rebuilder } from "../../../src/plane/rebuild.js";
import type { RebuildLimits } from "../../../src/plane/rebuild-sink.js";
import { copy, guarded, Input, refused } from "../input.js";

const channels = [Buffer.from("socketio"), Buffer.from("socketio#/#r")];
const OWN = 7;
const limits: RebuildLimits = {
  count: 6,
  bytes: 4096,
  idleMs: 5_000,
  holdMs: 1_000,
  holdBytes: 2048,
  maxPayloadBytes: 2048,
  askMs: 50,
};

class World {
  now = 1_000;
  /** Most frames held since the last sweep. Streams that wait must stay; each of them has a frame in the hold. */
  #mostHeld = 0;
  readonly rebuilder: Rebuilder;
  readonly #named = [new Set<number>(), new Set<number>()];
  readonly #raw = new Set<string>();
  readonly #reader = new MessageReader();
  /** Bases that the lying sender's records have made, by instance and sequence. */
  readonly bases = new Map<string, Buffer>();

  constructor() {
    this.rebuilder = new Rebuilder(
      OWN,
      limits,
      { now: () => this.now },
      {
        deliver: (channel, payload, kind) => this.#check(channel, payload, kind),
        ask: () => {},
        resync: () => {},
        undelivered: (_reason, frames) => assert.ok(frames > 0),
        repeat: () => {},
        needs: () => true,
        skipped: () => {},
        made: (instance, seq) => instance < 4 && seq < 100,
        impostor: () => {},
        repaired: () => {},
        evicted: () => {},
      },
    );
  }

  message(at: number, bytes: Buffer): void {
    if (!refused(guarded(() => this.#reader.open(bytes)))) {
      while (this.#reader.next()) this.#named[at]!.add(this.#reader.crc);
      this.#reader.close();
    }
    this.rebuilder.message(channels[at]!, bytes);
    // The socket's memory is used again: what the rebuilder keeps must be its own.
    bytes.fill(0x5a);
  }

  raw(at: number, payload: Buffer): void {
    this.#raw.add(`${at} ${payload.toString("latin1")}`);
    this.rebuilder.raw(channels[at]!, payload, "exact");
    payload.fill(0x5a);
  }

  own(at: number, tag: number, payload: Buffer): void {
    this.#raw.add(`${at} ${payload.toString("latin1")}`);
    this.rebuilder.own(channels[at]!, tag, payload);
  }

  #check(channel: Buffer, payload: Buffer, kind: string): void {
    const at = channels.findIndex((one) => one.equals(channel));
    assert.ok(at >= 0, "a channel that nobody used");
    if (kind === "raw" || kind === "local")
      assert.ok(this.#raw.has(`${at} ${payload.toString("latin1")}`), "raw bytes that nobody sent");
    else assert.ok(this.#named[at]!.has(crc32(payload)), "bytes that no record of this channel has named");
    assert.ok(payload.length <= limits.maxPayloadBytes || kind === "raw");
  }

  sweep(): void {
    this.rebuilder.sweep();
    this.#mostHeld = this.rebuilder.heldFrames;
  }

  bounded(): void {
    const { heldBytes, streamBytes, streams, heldFrames } = this.rebuilder;
    this.#mostHeld = Math.max(this.#mostHeld, heldFrames);
    assert.ok(heldBytes <= limits.holdBytes, `${heldBytes} bytes held`);
    assert.ok(heldFrames * 128 <= limits.holdBytes, `${heldFrames} frames held`);
    assert.ok(streams <= limits.count + this.#mostHeld + 1, `${streams} streams`);
    const beside = (this.#mostHeld + 1) * 3 * limits.maxPayloadBytes;
    assert.ok(streamBytes <= limits.bytes + beside, `${streamBytes} bytes kept`);
  }
}

/** A record whose checksum is right, whatever else about it is not. */
function lying(world: World, input: Input): Buffer {
  const shape = input.u8();
  const kind = (shape & 3) as RecordKind;
  const [instance, seq, back] = [1 + (input.u8() % 8), 1 + (input.u8() % 16), 1 + (input.u8() % 4)];
  const domain = input.u8();
  const payload = Buffer.from(input.bytes(input.u8()));
  const base = world.bases.get(`${instance}.${seq - back}`) ?? Buffer.from("base");
  const result = kind === RecordKind.Delta && (shape & 32) !== 0 ? Buffer.concat([base, payload]) : payload;
  const keep = (shape & 4) !== 0 || kind !== RecordKind.Delta;
  const packed = packWhole(result);
  const body = kind === RecordKind.Delta ? diff(base, result, 1 << 20)! : packed.body;
  if (kind !== RecordKind.Gone && keep) world.bases.set(`${instance}.${seq}`, result);
  const record = encodeRecord(
    {
      kind,
      keep,
      cumulative: (shape & 8) !== 0,
      deflated: kind !== RecordKind.Delta && packed.deflated,
      domain,
      instance,
      seq,
      back: Math.min(back, seq),
      streamKey: (shape & 16) !== 0 ? instance % 3 : -1,
      primerInstance: 0,
      primerSeq: 0,
      newest: kind === RecordKind.Repair && (shape & 128) !== 0,
      length: result.length,
      crc: crc32(result),
      mark: 0,
    },
    body,
  );
  return encodeMessage((shape & 64) !== 0 ? 2 : 1, 1, [record]);
}

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const world = new World();
  while (input.left > 0) {
    const op = input.u8();
    const at = (op >> 4) & 1;
    switch (op & 7) {
      case 0:
        world.message(at, copy(input.bytes(input.u8())));
        break;
      case 1:
        world.raw(at, copy(input.bytes(input.u8())));
        break;
      case 2:
        world.now += input.u8() * 20;
        world.rebuilder.tick();
        break;
      case 3:
        world.sweep();
        // Having been deaf: only then a newest frame that is sent again may be delivered.
        world.rebuilder.hello();
        break;
      case 4: {
        const payload = copy(input.bytes(input.u8()));
        world.own(at, input.u8(), payload);
        break;
      }
      default:
        world.message(at, lying(world, input));
    }
    world.bounded();
  }
  for (let i = 0; i < 4; i++) {
    world.now += limits.holdMs;
    world.rebuilder.tick();
  }
  assert.equal(world.rebuilder.heldFrames, 0, "no hold outlives its time");
  assert.equal(world.rebuilder.heldBytes, 0);
  world.sweep();
  assert.ok(
    world.rebuilder.streams <= limits.count && world.rebuilder.streamBytes <= limits.bytes + 3 * limits.maxPayloadBytes,
  );
}
