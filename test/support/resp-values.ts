/**
 * A naive RESP decoder that shares nothing with src/resp: the tests' oracle. It keeps all bytes it was given and, at
 * each value, either reads the whole of it or says how many bytes must be there before trying again is worth it.
 */

export class RespError {
  constructor(readonly message: string) {}
}
/** A RESP3 push: `>`. */
export class RespPush {
  constructor(readonly items: RespValue[]) {}
}
/** A RESP3 map (`%`) or the attributes (`|`) before a value, as a flat list of keys and values. */
export class RespMap {
  constructor(readonly entries: [RespValue, RespValue][]) {}
}
export class RespSet {
  constructor(readonly items: RespValue[]) {}
}
/** `=`: three letters of format, then the text. */
export class RespVerbatim {
  constructor(
    readonly format: string,
    readonly text: Buffer,
  ) {}
}

/** Simple strings are strings, bulk strings Buffers, integers numbers (bigint beyond 2^53). */
export type RespValue =
  | null
  | boolean
  | string
  | number
  | bigint
  | Buffer
  | RespError
  | RespPush
  | RespMap
  | RespSet
  | RespVerbatim
  | RespValue[];

/** Thrown when the bytes end inside a value; `atLeast` bytes must be there before it can be whole. */
class Incomplete {
  constructor(readonly atLeast: number) {}
}

export class NaiveDecoder {
  private chunks: Buffer[] = [];
  private held = 0;
  private needed = 1;

  /** Takes bytes and returns the values that are whole now. Throws on a byte that begins no RESP type. */
  write(chunk: Buffer): RespValue[] {
    this.chunks.push(chunk);
    this.held += chunk.length;
    if (this.held < this.needed) return [];
    const bytes = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    const values: RespValue[] = [];
    let at = 0;
    this.needed = 1;
    try {
      while (at < bytes.length) {
        const reader = new Reader(bytes, at);
        values.push(reader.value());
        at = reader.at;
      }
    } catch (error) {
      if (!(error instanceof Incomplete)) throw error;
      this.needed = error.atLeast - at;
    }
    this.chunks = [bytes.subarray(at)];
    this.held = bytes.length - at;
    return values;
  }

  /** True when every byte so far belonged to a whole value. */
  get atBoundary(): boolean {
    return this.held === 0;
  }
}

class Reader {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
  ) {}

  value(): RespValue {
    const type = this.line(1);
    const rest = this.line();
    switch (type) {
      case "+":
        return rest;
      case "-":
        return new RespError(rest);
      case ":":
      case "(": {
        const big = BigInt(rest);
        return type === ":" && Number.isSafeInteger(Number(big)) ? Number(big) : big;
      }
      case ",":
        return rest === "inf" ? Infinity : rest === "-inf" ? -Infinity : Number(rest);
      case "#":
        return rest === "t";
      case "_":
        return null;
      case "$":
        return rest === "-1" ? null : this.bulk(Number(rest));
      case "!":
        return new RespError(this.bulk(Number(rest)).toString("utf8"));
      case "=": {
        const text = this.bulk(Number(rest));
        return new RespVerbatim(text.toString("latin1", 0, 3), text.subarray(4));
      }
      case "*":
        return rest === "-1" ? null : this.items(Number(rest));
      case ">":
        return new RespPush(this.items(Number(rest)));
      case "~":
        return new RespSet(this.items(Number(rest)));
      case "%":
        return this.map(Number(rest));
      case "|":
        this.map(Number(rest));
        return this.value();
      default:
        throw new Error(`no RESP value begins with ${JSON.stringify(type)}, followed by ${JSON.stringify(rest)}`);
    }
  }

  private items(count: number): RespValue[] {
    return Array.from({ length: count }, () => this.value());
  }

  private map(count: number): RespMap {
    return new RespMap(Array.from({ length: count }, () => [this.value(), this.value()]));
  }

  /** The next `length` characters, or all up to the line's end. */
  private line(length?: number): string {
    const end = length === undefined ? this.bytes.indexOf("\r\n", this.at, "latin1") : this.at + length;
    if (end === -1 || end > this.bytes.length) throw new Incomplete(this.bytes.length + 1);
    const text = this.bytes.toString("utf8", this.at, end);
    this.at = length === undefined ? end + 2 : end;
    return text;
  }

  private bulk(length: number): Buffer {
    if (!Number.isInteger(length) || length < 0) throw new Error(`bulk length ${length}`);
    const end = this.at + length;
    if (end + 2 > this.bytes.length) throw new Incomplete(end + 2);
    if (this.bytes.toString("latin1", end, end + 2) !== "\r\n") throw new Error("a bulk string does not end in CRLF");
    const bytes = Buffer.from(this.bytes.subarray(this.at, end));
    this.at = end + 2;
    return bytes;
  }
}

/** Readable form for assertions: Buffers become UTF-8 text, errors `-text`, pushes `{ push: […] }`, maps a flat array. */
export function plain(value: RespValue): unknown {
  if (Buffer.isBuffer(value)) return value.toString("utf8");
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof RespError) return `-${value.message}`;
  if (value instanceof RespPush) return { push: value.items.map(plain) };
  if (value instanceof RespSet) return value.items.map(plain);
  if (value instanceof RespMap) return value.entries.flatMap(([key, item]) => [plain(key), plain(item)]);
  if (value instanceof RespVerbatim) return value.text.toString("utf8");
  return value;
}

/** A request as an array of bulk strings. Buffers go as they are, everything else as UTF-8 text. */
export function encodeRequest(args: readonly (string | number | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}
