/**
 * Splits an inline request (`PING "a b"`, what a person types into a bare TCP connection) into arguments by the
 * rules of Redis's `sdssplitargs`, quirks included, so that we and the server see the same arguments.
 * Called by the request decoder for a complete line. A cold path: it may allocate.
 *
 * Checked by hand against Redis 7.0.15; the quirks, each of which has a test:
 * a quoted part ends its argument, so a blank or the end must follow it; a quote may open in the middle of a word;
 * `\xHH` needs both digits, else the `\` is dropped; only `\'` is special within single quotes;
 * form feed and vertical tab separate arguments in front of a word but not within one.
 */

const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const BACKSLASH = 0x5c;
const LOWER_X = 0x78;

/** What follows a backslash within double quotes -> the byte it stands for. */
const escapes = new Map<number, number>([
  [0x6e, 0x0a], // \n
  [0x72, 0x0d], // \r
  [0x74, 0x09], // \t
  [0x62, 0x08], // \b
  [0x61, 0x07], // \a
]);

/**
 * The arguments of `line` (without its line feed; one CR at the end is dropped), or null when its quotes are
 * unbalanced. Arguments without quotes are views of `line`, the others are copies.
 */
export function splitInline(line: Buffer): Buffer[] | null {
  const end = line.length > 0 && line[line.length - 1] === CR ? line.length - 1 : line.length;
  const args: Buffer[] = [];
  let pos = 0;
  for (;;) {
    while (pos < end && isBlank(line[pos]!)) pos++;
    if (pos >= end) return args;
    const start = pos;
    while (pos < end && !endsWord(line[pos]!) && !isQuote(line[pos]!)) pos++;
    if (pos >= end || endsWord(line[pos]!)) {
      args.push(line.subarray(start, pos));
      continue;
    }
    const quoted: number[] = [];
    for (let i = start; i < pos; i++) quoted.push(line[i]!);
    pos = line[pos] === QUOTE ? unquote(line, pos + 1, end, quoted) : unquoteSingle(line, pos + 1, end, quoted);
    if (pos < 0) return null;
    args.push(Buffer.from(quoted));
  }
}

/** Reads a double-quoted part into `out`. Returns the offset behind the closing quote, or -1. */
function unquote(line: Buffer, from: number, end: number, out: number[]): number {
  for (let i = from; i < end; i++) {
    const byte = line[i]!;
    if (byte === QUOTE) return i + 1 >= end || isBlank(line[i + 1]!) ? i + 1 : -1;
    if (byte !== BACKSLASH || i + 1 >= end) {
      out.push(byte);
      continue;
    }
    const high = i + 3 < end ? hex(line[i + 2]!) : -1;
    const low = i + 3 < end ? hex(line[i + 3]!) : -1;
    if (line[i + 1] === LOWER_X && high >= 0 && low >= 0) {
      out.push(high * 16 + low);
      i += 3;
    } else {
      i++;
      out.push(escapes.get(line[i]!) ?? line[i]!);
    }
  }
  return -1;
}

/** The same for a single-quoted part. */
function unquoteSingle(line: Buffer, from: number, end: number, out: number[]): number {
  for (let i = from; i < end; i++) {
    const byte = line[i]!;
    if (byte === APOSTROPHE) return i + 1 >= end || isBlank(line[i + 1]!) ? i + 1 : -1;
    if (byte === BACKSLASH && line[i + 1] === APOSTROPHE && i + 1 < end) i++;
    out.push(line[i]!);
  }
  return -1;
}

/** C's `isspace`. */
function isBlank(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CR);
}

function endsWord(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === CR || byte === LF;
}

function isQuote(byte: number): boolean {
  return byte === QUOTE || byte === APOSTROPHE;
}

function hex(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
