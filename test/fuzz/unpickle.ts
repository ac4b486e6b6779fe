/**
 * A naive reader of the pickles that python-socketio's messages are made of, to confirm what the dialect says of them. It
 * knows dicts, lists, tuples, texts, bytes, numbers and the memo, protocols 2 to 5, and nothing that makes objects.
 */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

const MARK = Symbol("mark");
type Slot = Plain | typeof MARK;

/** The value; undefined where the bytes are no such pickle, end elsewhere, or hold a key twice. */
export function unpickle(bytes: Buffer): Plain | undefined {
  try {
    return new Reader(bytes).value();
  } catch {
    return undefined;
  }
}

class Reader {
  #at = 0;
  readonly #stack: Slot[] = [];
  readonly #memo = new Map<number, Slot>();

  constructor(private readonly bytes: Buffer) {}

  value(): Plain {
    for (;;) {
      const op = String.fromCharCode(this.#uint(1));
      if (op === ".") {
        const value = this.#stack.pop();
        if (this.#at !== this.bytes.length || this.#stack.length !== 0 || value === undefined) throw new Error("end");
        return value as Plain;
      }
      this.#step(op);
    }
  }

  #step(op: string): void {
    const stack = this.#stack;
    // biome-ignore format: a table
    switch (op) {
      case "\x80": this.#uint(1); return;
      case "\x95": this.#uint(8); return;
      case "(": stack.push(MARK); return;
      case "N": stack.push(null); return;
      case "\x88": stack.push(true); return;
      case "\x89": stack.push(false); return;
      case "K": stack.push(this.#uint(1)); return;
      case "M": stack.push(this.#uint(2)); return;
      case "J": stack.push(this.#uint(4) | 0); return;
      case "\x8a": this.#skip(this.#uint(1)); stack.push(0); return;
      case "G": this.#skip(8); stack.push(0); return;
      case "\x8c": stack.push(this.#text(1)); return;
      case "X": stack.push(this.#text(4)); return;
      case "\x8d": stack.push(this.#text(8)); return;
      case "C": this.#skip(this.#uint(1)); stack.push([]); return;
      case "B": this.#skip(this.#uint(4)); stack.push([]); return;
      case "}": stack.push({}); return;
      case "]": case ")": stack.push([]); return;
      case "\x94": this.#memo.set(this.#memo.size, stack.at(-1)!); return;
      case "q": this.#memo.set(this.#uint(1), stack.at(-1)!); return;
      case "r": this.#memo.set(this.#uint(4), stack.at(-1)!); return;
      case "h": stack.push(this.#recall(this.#uint(1))); return;
      case "j": stack.push(this.#recall(this.#uint(4))); return;
      case "\x85": stack.push(this.#popped(1)); return;
      case "\x86": stack.push(this.#popped(2)); return;
      case "\x87": stack.push(this.#popped(3)); return;
      case "t": stack.push(this.#marked()); return;
      case "a": this.#append(this.#popped(1)); return;
      case "e": this.#append(this.#marked()); return;
      case "s": this.#set(this.#popped(2)); return;
      case "u": this.#set(this.#marked()); return;
      default: throw new Error(`opcode ${op}`);
    }
  }

  #uint(width: number): number {
    const from = this.#skip(width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.bytes[from + i]!;
    return value;
  }

  #skip(length: number): number {
    const from = this.#at;
    if (length > this.bytes.length - from) throw new Error("ends early");
    this.#at += length;
    return from;
  }

  #text(width: number): string {
    const from = this.#skip(this.#uint(width));
    return this.bytes.toString("utf8", from, this.#at);
  }

  #recall(index: number): Slot {
    const value = this.#memo.get(index);
    if (value === undefined) throw new Error("no such memo");
    return value;
  }

  #popped(count: number): Plain[] {
    if (this.#stack.length < count) throw new Error("stack");
    const values = this.#stack.splice(this.#stack.length - count);
    if (values.includes(MARK)) throw new Error("mark");
    return values as Plain[];
  }

  #marked(): Plain[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw new Error("no mark");
    const values = this.#stack.splice(at).slice(1);
    return values as Plain[];
  }

  #append(values: readonly Plain[]): void {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw new Error("no list");
    list.push(...values);
  }

  #set(values: readonly Plain[]): void {
    const dict = this.#stack.at(-1);
    if (typeof dict !== "object" || dict === null || Array.isArray(dict)) throw new Error("no dict");
    if (values.length % 2 !== 0) throw new Error("a key without a value");
    for (let i = 0; i < values.length; i += 2) {
      const key = values[i];
      if (typeof key !== "string" || Object.hasOwn(dict, key)) throw new Error("no text, or twice");
      Object.defineProperty(dict, key, { value: values[i + 1], enumerable: true });
    }
  }
}
