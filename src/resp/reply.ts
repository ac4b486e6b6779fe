/**
 * The values that the reply decoder makes, and the type bytes of RESP2 and RESP3. Read by the trunk, by discovery
 * and by whoever talks to the server on keyframe's own account; replies to apps are never decoded.
 */

/** First bytes of the RESP types. */
export const Type = {
  Simple: 0x2b, // +
  Error: 0x2d, // -
  Integer: 0x3a, // :
  Bulk: 0x24, // $
  Array: 0x2a, // *
  Null: 0x5f, // _
  Boolean: 0x23, // #
  Double: 0x2c, // ,
  BigNumber: 0x28, // (
  BulkError: 0x21, // !
  Verbatim: 0x3d, // =
  Map: 0x25, // %
  Set: 0x7e, // ~
  Push: 0x3e, // >
  Attribute: 0x7c, // |
} as const;

/** An error that the server answered. A value, not a thrown Error: most are expected, and a stack costs more than the reply. */
export class ReplyError {
  /** The whole line: `NOSCRIPT No matching script.` */
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }

  /** Its first word (`ERR`, `NOSCRIPT`, `MOVED`): what callers branch on. */
  get code(): string {
    const blank = this.message.indexOf(" ");
    return blank < 0 ? this.message : this.message.slice(0, blank);
  }
}

/** RESP3 verbatim string: `format` is its three letters (`txt`, `mkd`). */
export class ReplyVerbatim {
  readonly format: string;
  readonly text: Buffer;

  constructor(format: string, text: Buffer) {
    this.format = format;
    this.text = text;
  }
}

/** RESP3 map, in the order received. Not a JavaScript Map: keys may be of any type, and are mostly bytes. */
export class ReplyMap {
  readonly entries: [key: Reply, value: Reply][];

  constructor(entries: [Reply, Reply][]) {
    this.entries = entries;
  }

  /** The value of the first key that is the text `key`, as a simple or a bulk string. */
  get(key: string): Reply | undefined {
    for (const [name, value] of this.entries) {
      if (name === key || (Buffer.isBuffer(name) && name.toString() === key)) return value;
    }
    return undefined;
  }
}

/** RESP3 set, in the order received. */
export class ReplySet {
  readonly items: Reply[];

  constructor(items: Reply[]) {
    this.items = items;
  }
}

/** RESP3 push: out of band, not the answer to a command. */
export class ReplyPush {
  readonly items: Reply[];

  constructor(items: Reply[]) {
    this.items = items;
  }
}

/**
 * | RESP | here |
 * |---|---|
 * | `+` | string (UTF-8) |
 * | `$` | Buffer: see ReplyDecoder about its memory |
 * | `-` `!` | ReplyError |
 * | `:` | number, or bigint beyond 2^53 - 1 |
 * | `(` | bigint |
 * | `,` | number (infinities and NaN too) |
 * | `#` | boolean |
 * | `_` `$-1` `*-1` | null |
 * | `=` | ReplyVerbatim |
 * | `*` | array |
 * | `%` `~` `>` | ReplyMap, ReplySet, ReplyPush |
 * | a value with an attribute (`\|`) | the value; the attribute is read and left out |
 */
export type Reply =
  | null
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | ReplyError
  | ReplyVerbatim
  | ReplyMap
  | ReplySet
  | ReplyPush
  | Reply[];
