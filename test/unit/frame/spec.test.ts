/**
 * The specification is true: every example block of src/frame/spec.md against the code, in both directions.
 *
 * With REFRESH_GOLDEN=1 the appendix that holds the dictionary is written anew from the code. Read the diff: another
 * dictionary is another protocol version once this one has been released.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { ByteReader, putVarint, varintSize } from "../../../src/frame/bytes.js";
import { crc32 } from "../../../src/frame/checksum.js";
import {
  ChunkForm,
  decodeChunk,
  encodeChunk,
  type PackedChunk,
  plainChunk,
  unpackChunk,
} from "../../../src/frame/chunk.js";
import { type ControlKind, decodeControl, encodeControl } from "../../../src/frame/control.js";
import { DICTIONARY } from "../../../src/frame/dictionary.js";
import { headSize, putHead } from "../../../src/frame/message.js";
import {
  encodeMessage,
  encodeRecord,
  MessageReader,
  type RecordFields,
  RecordKind,
} from "../../../src/frame/record.js";
import { apply, diff } from "../../../src/frame/splice.js";
import { packWhole, unpackWhole } from "../../../src/frame/whole.js";
import { markOf } from "../../../src/plane/mark.js";
import { inRoot } from "../../support/root.js";

const PATH = inRoot("src", "frame", "spec.md");
const SHA256 = createHash("sha256").update(DICTIONARY).digest("hex");
if (process.env.REFRESH_GOLDEN) refresh();
const SPEC = readFileSync(PATH, "utf8");

function refresh(): void {
  const lines = deflateRawSync(DICTIONARY, { level: 9, memLevel: 9 })
    .toString("base64")
    .match(/.{1,120}/g)!;
  const spec = readFileSync(PATH, "utf8");
  const appendix = spec.indexOf("## Appendix A.");
  const tail = spec
    .slice(appendix)
    .replace(/^\S+ bytes, SHA-256 `[^`]*`/m, `${DICTIONARY.length} bytes, SHA-256 \`${SHA256}\``)
    .replace(/```dictionary\n[^`]*```/, `\`\`\`dictionary\n${lines.join("\n")}\n\`\`\``);
  writeFileSync(PATH, spec.slice(0, appendix) + tail);
}

/** The example blocks of one kind, each as the lines `name: value` that it holds, in order. */
function examples(kind: string): [string, string][][] {
  const blocks = [...SPEC.matchAll(new RegExp(`^\`\`\`example ${kind}\n([^\`]*)\`\`\`$`, "gm"))];
  assert.ok(blocks.length > 0, `the specification has no example of ${kind}`);
  return blocks.map((block) =>
    block[1]!
      .trimEnd()
      .split("\n")
      .map((line) => {
        // A quoted name may itself hold a colon.
        const [, name, value] = /^("(?:[^"\\]|\\.)*"|[^:]*): ?(.*)$/.exec(line)!;
        return [name!, value!];
      }),
  );
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const quoted = (text: string): Buffer => Buffer.from(JSON.parse(text) as string);
const number = (text: string): number => Number.parseInt(text.replaceAll(" ", ""), 16);

function varint(value: number): Buffer {
  const out = Buffer.alloc(varintSize(value));
  putVarint(out, 0, value);
  return out;
}

test("varints", () => {
  for (const [value, bytes] of examples("varint").flat()) {
    assert.deepEqual(varint(Number(value)), hex(bytes));
    assert.equal(new ByteReader(hex(bytes)).varint(), Number(value));
  }
});

test("CRC-32", () => {
  for (const [text, bytes] of examples("crc").flat()) assert.equal(crc32(quoted(text)), number(bytes));
});

test("message headers", () => {
  for (const block of examples("header")) {
    const of = Object.fromEntries(block) as Record<string, string>;
    const head = Buffer.alloc(headSize(Number(of.connection)));
    putHead(head, Number(of.type), number(of.epoch!), Number(of.connection));
    assert.deepEqual(head, hex(of.message!));
  }
});

test("marks", () => {
  for (const block of examples("mark")) {
    const of = Object.fromEntries(block) as Record<string, string>;
    assert.equal(markOf(quoted(of.room!)), number(of.mark!));
  }
});

test("hunks", () => {
  for (const block of examples("hunks")) {
    const of = Object.fromEntries(block) as Record<string, string>;
    const base = quoted(of.base!);
    const next = quoted(of.next!);
    assert.deepEqual(diff(base, next, 1000), hex(of.hunks!));
    assert.deepEqual(apply(base, hex(of.hunks!), next.length), next);
  }
});

test("records", () => {
  const kinds: Record<string, RecordKind> = { whole: 0, delta: 1, repair: 2, gone: 3 };
  const seen = new Set<RecordKind>();
  for (const block of examples("record")) {
    const of = Object.fromEntries(block) as Record<string, string>;
    const kind = kinds[of.kind!]!;
    seen.add(kind);
    const result = of.result === undefined ? Buffer.alloc(0) : quoted(of.result);
    const base = of.base === undefined ? undefined : quoted(of.base);
    const body = base === undefined ? result : diff(base, result, 1000)!;
    const gone = kind === RecordKind.Gone;
    const fields: RecordFields = {
      kind,
      keep: of.keep === "yes",
      cumulative: of.cumulative === "yes",
      deflated: false,
      domain: number(of.domain!),
      instance: Number(of.instance),
      seq: Number(of.seq),
      back: Number(of.back ?? 0),
      streamKey: of.streamKey === undefined ? -1 : number(of.streamKey),
      primerInstance: 0,
      primerSeq: 0,
      newest: false,
      length: base === undefined ? result.length : 0,
      crc: gone ? 0 : crc32(result),
      mark: of.mark === undefined ? 0 : number(of.mark),
    };
    const message = encodeMessage(1, 1, [encodeRecord(fields, body)]);
    const shown = message.subarray(headSize(1));
    assert.equal(shown.toString("hex"), hex(of.record!).toString("hex"));

    const reader = new MessageReader();
    reader.open(message);
    assert.ok(reader.next());
    for (const name of Object.keys(fields) as (keyof RecordFields)[]) assert.equal(reader[name], fields[name], name);
    if (base !== undefined) assert.deepEqual(apply(base, reader.body(), 100), result);
    else assert.deepEqual(reader.body(), result);
  }
  assert.equal(seen.size, 4, "every kind has an example");
});

test("deflated bodies", () => {
  for (const block of examples("whole")) {
    const of = Object.fromEntries(block) as Record<string, string>;
    const result = quoted(of.result!);
    assert.deepEqual(unpackWhole(hex(of.body!), true, result.length, 1000), result);
    // Other releases of zlib may find another encoding, but none much longer.
    assert.ok(packWhole(result).body.length <= hex(of.body!).length + 4);
  }
});

test("control messages", () => {
  for (const block of examples("control")) {
    const of = Object.fromEntries(block) as Record<string, string>;
    const pairs = of.pairs!.split(", ").map((pair) => {
      const [instance, seq] = pair.split(" ").map(Number);
      return { instance: instance!, seq: seq! };
    });
    const kind = Number(of.kind) as ControlKind;
    assert.deepEqual(encodeControl(kind, number(of.epoch!), Number(of.connection), pairs), hex(of.message!));
    assert.deepEqual(decodeControl(hex(of.message!)), {
      kind,
      epoch: number(of.epoch!),
      connection: Number(of.connection),
      pairs,
    });
  }
});

test("chunks", () => {
  for (const block of examples("chunks")) {
    const of = Object.fromEntries(block) as Record<string, string>;
    const message = hex(of.message!);
    const reader = new MessageReader();
    reader.open(message);
    assert.ok(reader.next());
    const { bodyStart } = reader;
    const [epoch, connection, transfer] = [number(of.epoch!), Number(of.connection), Number(of.transfer)];
    const parts: Buffer[] = [];
    let at = bodyStart;
    for (const [name, shown] of block) {
      const [kind, length] = name.split(" ");
      if (!["opening", "plain", "deflated"].includes(kind!)) continue;
      const part = message.subarray(at, at + Number(length ?? 0));
      const packed: PackedChunk =
        kind === "opening"
          ? { form: ChunkForm.Opening, length: message.length - bodyStart, rest: message.subarray(0, bodyStart) }
          : kind === "plain"
            ? plainChunk(part)
            : { form: ChunkForm.Deflated, length: part.length, rest: deflateRawSync(part, { level: 1 }) };
      const bytes = encodeChunk(epoch, connection, transfer, parts.length, packed);
      assert.equal(bytes.toString("hex"), hex(shown).toString("hex"), name);
      const read = decodeChunk(bytes);
      assert.deepEqual(read, { epoch, connection, transfer, index: parts.length, ...packed });
      parts.push(unpackChunk(read));
      at += part.length;
    }
    assert.deepEqual(Buffer.concat(parts), message);
  }
});

test("the dictionary, to the byte", () => {
  const [, base64] = /```dictionary\n([^`]*)```/.exec(SPEC)!;
  assert.deepEqual(inflateRawSync(Buffer.from(base64!, "base64")), DICTIONARY);
  assert.ok(SPEC.includes(`${DICTIONARY.length} bytes, SHA-256 \`${SHA256}\``));
});
