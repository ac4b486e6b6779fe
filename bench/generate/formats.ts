/**
 * Python's ways to write a frame, byte for byte: json.dumps as it comes, the compact raw UTF-8 of orjson behind Open
 * WebUI's codec, and pickle protocol 4; and the MessagePack of Node's adapter. Only what frames are made of.
 */

export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };

/** "spaced": `", "`, `": "` and \uXXXX beyond ASCII. "compact": no spaces, raw UTF-8. */
export type JsonStyle = "spaced" | "compact";

const short: Record<string, string> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON escapes
const compactEscapes = /["\\\u0000-\u001f\u0085\u2028\u2029]/g;
const spacedEscapes = /["\\]|[^ -~]/g;

/** A string's inside, without the quotes around it. */
export function escapeJson(text: string, style: JsonStyle): string {
  return text.replace(
    style === "compact" ? compactEscapes : spacedEscapes,
    (unit) => short[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Serialises as the given style does. Numbers must be integers: the two differ on floats. */
export function toJson(value: Value, style: JsonStyle): string {
  const comma = style === "compact" ? "," : ", ";
  const colon = style === "compact" ? ":" : ": ";
  if (typeof value === "string") return `"${escapeJson(value, style)}"`;
  if (Array.isArray(value)) return `[${value.map((item) => toJson(item, style)).join(comma)}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `"${escapeJson(key, style)}"${colon}${toJson(item, style)}`,
    );
    return `{${members.join(comma)}}`;
  }
  return String(value);
}

/** A frame body of its own is opened for the opcodes around a string of this size or more. */
const largeString = 64 * 1024;

/**
 * Pickle protocol 4 as CPython's C pickler writes it. A dictionary key that occurs again is the same object there
 * (names in source code are interned), so it becomes a reference to the memo; string values are not shared.
 */
export function toPickle(value: Value): Buffer {
  const out: Buffer[] = [Buffer.from([0x80, 4])];
  let body: Buffer[] = [];
  const memo = new Map<string, number>();
  let memoized = 0;

  const endFrame = () => {
    const bytes = Buffer.concat(body);
    body = [];
    if (bytes.length < 4) {
      out.push(bytes);
      return;
    }
    const head = Buffer.alloc(9);
    head[0] = 0x95;
    head.writeBigUInt64LE(BigInt(bytes.length), 1);
    out.push(head, bytes);
  };
  const op = (...bytes: number[]) => body.push(Buffer.from(bytes));
  const memoize = () => {
    op(0x94);
    return memoized++;
  };
  const string = (text: string) => {
    const bytes = Buffer.from(text, "utf8");
    if (bytes.length < 256) {
      body.push(Buffer.from([0x8c, bytes.length]), bytes);
    } else {
      const head = Buffer.alloc(5);
      head[0] = 0x58;
      head.writeUInt32LE(bytes.length, 1);
      if (bytes.length < largeString) body.push(head, bytes);
      else {
        endFrame();
        out.push(head, bytes);
      }
    }
    return memoize();
  };
  const name = (text: string) => {
    const seen = memo.get(text);
    if (seen === undefined) memo.set(text, string(text));
    else op(0x68, seen);
  };
  const write = (item: Value): void => {
    if (item === null) op(0x4e);
    else if (item === true) op(0x88);
    else if (item === false) op(0x89);
    else if (typeof item === "number") {
      if (item >= 0 && item < 256) op(0x4b, item);
      else if (item >= 0 && item < 65536) op(0x4d, item & 0xff, item >> 8);
      else {
        const four = Buffer.alloc(5);
        four[0] = 0x4a;
        four.writeInt32LE(item, 1);
        body.push(four);
      }
    } else if (typeof item === "string") string(item);
    else if (Array.isArray(item)) {
      op(0x5d);
      memoize();
      if (item.length > 1) op(0x28);
      for (const each of item) write(each);
      if (item.length > 0) op(item.length > 1 ? 0x65 : 0x61);
    } else {
      const entries = Object.entries(item);
      op(0x7d);
      memoize();
      if (entries.length > 1) op(0x28);
      for (const [key, each] of entries) {
        name(key);
        write(each);
      }
      if (entries.length > 0) op(entries.length > 1 ? 0x75 : 0x73);
    }
  };
  write(value);
  op(0x2e);
  endFrame();
  return Buffer.concat(out);
}

/** MessagePack with the smallest forms, as Node's redis-adapter sends packets. Integers only. */
export function toMsgpack(value: Value): Buffer {
  const parts: Buffer[] = [];
  const head = (length: number, fix: number, fixMax: number, forms: [bytes: 1 | 2 | 4, code: number][]) => {
    if (length <= fixMax) {
      parts.push(Buffer.from([fix | length]));
      return;
    }
    const [bytes, code] = forms.find(([size]) => length < 2 ** (8 * size)) as [1 | 2 | 4, number];
    const form = Buffer.alloc(1 + bytes);
    form[0] = code;
    form.writeUIntBE(length, 1, bytes);
    parts.push(form);
  };
  const write = (item: Value): void => {
    if (item === null) parts.push(Buffer.from([0xc0]));
    else if (typeof item === "boolean") parts.push(Buffer.from([item ? 0xc3 : 0xc2]));
    else if (typeof item === "number") {
      head(item, 0, 0x7f, [
        [1, 0xcc],
        [2, 0xcd],
        [4, 0xce],
      ]);
    } else if (typeof item === "string") {
      const bytes = Buffer.from(item, "utf8");
      head(bytes.length, 0xa0, 31, [
        [1, 0xd9],
        [2, 0xda],
        [4, 0xdb],
      ]);
      parts.push(bytes);
    } else if (Array.isArray(item)) {
      head(item.length, 0x90, 15, [
        [2, 0xdc],
        [4, 0xdd],
      ]);
      for (const each of item) write(each);
    } else {
      const entries = Object.entries(item);
      head(entries.length, 0x80, 15, [
        [2, 0xde],
        [4, 0xdf],
      ]);
      for (const [key, each] of entries) {
        write(key);
        write(each);
      }
    }
  };
  write(value);
  return Buffer.concat(parts);
}
