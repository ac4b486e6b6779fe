/**
 * The values that RESP writes on one line (`+OK`, `:12`, `,1.5`, `#t`), from their text. Called by the reply decoder
 * for each such value. Each syntax is checked whole: a number that is only read up to its first odd byte would let a
 * damaged stream pass for a good one.
 */

import { ProtocolError } from "../core/errors.js";
import { type Reply, ReplyError, Type } from "./reply.js";

const ZERO = 0x30;
const MINUS = 0x2d;
const PLUS = 0x2b;
/** Digits that surely stay within 2^53 - 1. */
const SAFE_DIGITS = 15;

const decimal = /^[+-]?\d+$/;
const floating = /^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/;

/**
 * The value of a line of type `type`; `text` is what stands between the type byte and CRLF.
 * @throws ProtocolError when the text is not of that type
 */
export function lineValue(type: number, text: Buffer): Reply {
  switch (type) {
    case Type.Simple:
      return text.toString();
    case Type.Error:
      return new ReplyError(text.toString());
    case Type.Integer:
      return integer(text);
    case Type.Null:
      if (text.length !== 0) throw new ProtocolError("invalid null");
      return null;
    case Type.Boolean:
      if (text.length === 1 && text[0] === 0x74) return true;
      if (text.length === 1 && text[0] === 0x66) return false;
      throw new ProtocolError("invalid boolean");
    case Type.Double:
      return double(text.toString("latin1"));
    default:
      return bigNumber(text.toString("latin1"));
  }
}

/** A 64-bit integer: a number as far as that is exact, else a bigint. */
function integer(text: Buffer): number | bigint {
  const signed = text[0] === MINUS || text[0] === PLUS;
  const from = signed ? 1 : 0;
  if (text.length === from) throw new ProtocolError("invalid integer");
  if (text.length - from > SAFE_DIGITS) return longInteger(text.toString("latin1"));
  let value = 0;
  for (let i = from; i < text.length; i++) {
    const digit = text[i]! - ZERO;
    if (digit < 0 || digit > 9) throw new ProtocolError("invalid integer");
    value = value * 10 + digit;
  }
  // `0 - value`, because `-0` is a zero of its own in JavaScript.
  return text[0] === MINUS ? 0 - value : value;
}

function longInteger(text: string): number | bigint {
  if (!decimal.test(text)) throw new ProtocolError("invalid integer");
  const value = toBigInt(text);
  if (BigInt.asIntN(64, value) !== value) throw new ProtocolError("invalid integer");
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

function bigNumber(text: string): bigint {
  if (!decimal.test(text)) throw new ProtocolError("invalid big number");
  return toBigInt(text);
}

function toBigInt(text: string): bigint {
  return BigInt(text.startsWith("+") ? text.slice(1) : text);
}

function double(text: string): number {
  if (floating.test(text)) return Number(text);
  switch (text) {
    case "inf":
    case "+inf":
      return Number.POSITIVE_INFINITY;
    case "-inf":
      return Number.NEGATIVE_INFINITY;
    case "nan":
    case "-nan":
      return Number.NaN;
    default:
      throw new ProtocolError("invalid double");
  }
}
