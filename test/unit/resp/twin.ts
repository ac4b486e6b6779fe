/**
 * Naive twins of the decoders: the whole input as one string, regular expressions, recursion. Slow and unbounded, but
 * short enough to be seen to be right; the real ones are compared with them on random input.
 */

import type { RespLimits } from "../../../src/core/limits.js";

export interface TwinRequests {
  requests: { args: string[]; raw: string }[];
  pendingBytes: number;
  error: string | undefined;
}

/** Reads `text` (one character a byte) as an app's requests. */
export function twinRequests(text: string, limits: RespLimits): TwinRequests {
  const requests: { args: string[]; raw: string }[] = [];
  let rest = text;
  try {
    while (rest !== "") {
      const found = rest.startsWith("*") ? twinArray(rest, limits) : twinInline(rest, limits);
      if (found === undefined) return { requests, pendingBytes: rest.length, error: undefined };
      requests.push({ args: found.args, raw: rest.slice(0, found.length) });
      rest = rest.slice(found.length);
    }
  } catch (error) {
    return { requests, pendingBytes: 0, error: (error as Error).message };
  }
  return { requests, pendingBytes: 0, error: undefined };
}

type Found = { args: string[]; length: number } | undefined;

function twinArray(text: string, limits: RespLimits): Found {
  const count = twinNumber(text, limits, "invalid multibulk length", "too big mbulk count string");
  if (count === undefined) return undefined;
  if (count.value > 0x7fffffff) throw new Error("invalid multibulk length");
  if (count.value > limits.maxArgs) {
    throw new Error(`a request of ${count.value} arguments is over maxArgs (${limits.maxArgs})`);
  }
  const args: string[] = [];
  let at = count.length;
  while (args.length < count.value) {
    const rest = text.slice(at);
    if (rest === "") return undefined;
    if (!rest.startsWith("$")) throw new Error(`expected '$', got '${shown(rest.charCodeAt(0))}'`);
    const size = twinNumber(rest, limits, "invalid bulk length", "too big bulk count string");
    if (size === undefined) return undefined;
    if (size.value < 0 || size.value > 2 ** 29) throw new Error("invalid bulk length");
    if (size.value > limits.maxBulkBytes) {
      throw new Error(`an argument of ${size.value} bytes is over maxBulkBytes (${limits.maxBulkBytes})`);
    }
    const end = size.length + size.value;
    if (!"\r\n".startsWith(rest.slice(end, end + 2))) throw new Error("expected CRLF behind a bulk string");
    if (rest.length < end + 2) return undefined;
    args.push(rest.slice(size.length, end));
    at += end + 2;
  }
  return { args, length: at };
}

function twinNumber(
  text: string,
  limits: RespLimits,
  invalid: string,
  tooBig: string,
): { value: number; length: number } | undefined {
  const cr = text.indexOf("\r");
  if ((cr < 0 ? text.length : cr) > limits.maxLineBytes) throw new Error(tooBig);
  if (cr < 0 || cr + 1 === text.length) return undefined;
  const digits = text.slice(1, cr);
  if (text[cr + 1] !== "\n" || !/^(0|-?[1-9][0-9]*)$/.test(digits)) throw new Error(invalid);
  if (!Number.isSafeInteger(Number(digits))) throw new Error(invalid);
  return { value: Number(digits), length: cr + 2 };
}

function shown(code: number): string {
  if (code === 13 || code === 10) return " ";
  return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : `\\x${code.toString(16).padStart(2, "0")}`;
}

function twinInline(text: string, limits: RespLimits): Found {
  const lf = text.indexOf("\n");
  const line = lf < 0 ? text : text.slice(0, lf);
  if (line.slice(0, limits.maxLineBytes + 1).includes("\0")) throw new Error("NUL byte in inline request");
  if (line.length > limits.maxLineBytes) throw new Error("too big inline request");
  if (lf < 0) return undefined;
  return { args: twinSplit(line.replace(/\r$/, "")), length: lf + 1 };
}

const word = /([^ \t\r\n"']*)(?:"((?:[^"\\]|\\[\s\S])*)"|'((?:\\'|[^'\\]|\\(?!'))*)')?(?=[ \t\r\n\v\f]|$)/y;
const plainWord = /[^ \t\r\n"']+(?=[ \t\r\n]|$)/y;
const escapes: Record<string, string> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/** Redis's `sdssplitargs`, by regular expression. */
export function twinSplit(line: string): string[] {
  const args: string[] = [];
  let at = 0;
  for (;;) {
    while (/[ \t\r\n\v\f]/.test(line.charAt(at))) at++;
    if (at >= line.length) return args;
    plainWord.lastIndex = at;
    const plain = plainWord.exec(line);
    word.lastIndex = at;
    const match = plain ?? word.exec(line);
    if (match === null) throw new Error("unbalanced quotes in request");
    if (plain !== null) args.push(plain[0]);
    else {
      const doubled = (match[2] ?? "").replace(
        /\\(?:x([0-9a-fA-F]{2})|([\s\S]))/g,
        (_, hex?: string, other?: string) =>
          hex === undefined ? (escapes[other!] ?? other!) : String.fromCharCode(Number.parseInt(hex, 16)),
      );
      args.push((match[1] ?? "") + doubled + (match[3] ?? "").replaceAll("\\'", "'"));
    }
    at += match[0].length;
  }
}
