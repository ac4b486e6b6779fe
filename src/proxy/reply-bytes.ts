/**
 * Small readings of whole pub/sub values: only acks and filtered messages come here, never a plain reply.
 * The values have been scanned, so their form is certain.
 */

const LF = 0x0a;
const CR = 0x0d;

/** Offset just behind the line that begins at `at`. */
function afterLine(value: Buffer, at: number): number {
  return value.indexOf(LF, at) + 1;
}

/** The bulk string that stands `skip` elements behind an array's or push's first one. */
export function firstBulkAfterHead(value: Buffer, skip: number): Buffer | undefined {
  let at = afterLine(value, 0);
  for (let i = 0; i < skip + 2; i++) {
    const line = afterLine(value, at);
    const length = Number.parseInt(value.toString("latin1", at + 1, line - 2), 10);
    if (!(length >= 0)) return undefined;
    if (i === skip + 1) return value.subarray(line, line + length);
    at = line + length + 2;
  }
  return undefined;
}

/** The integer at the end of an ack: how many subscriptions remain. */
export function lastInteger(value: Buffer): number {
  let number = 0;
  let unit = 1;
  for (let i = value.length - 3; value[i]! >= 0x30 && value[i]! <= 0x39; i--) {
    number += (value[i]! - 0x30) * unit;
    unit *= 10;
  }
  return number;
}

/** The same ack with another integer at its end. */
export function withLastInteger(value: Buffer, number: number): Buffer {
  let end = value.length - 2;
  while (value[end - 1]! >= 0x30 && value[end - 1]! <= 0x39) end--;
  return Buffer.concat([value.subarray(0, end), Buffer.from(`${number}`), Buffer.of(CR, LF)]);
}
