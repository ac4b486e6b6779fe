/** The frame format's alphabet, read slowly and straight from the specification: oracles for the targets. */

/** A varint at `at`: its value and the offset behind it; undefined where there is none. */
export function naiveVarint(bytes: Buffer, at: number): { value: number; next: number } | undefined {
  let value = 0n;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80)
      return value <= BigInt(Number.MAX_SAFE_INTEGER) ? { value: Number(value), next: at + i + 1 } : undefined;
  }
  return undefined;
}

/** The head that all messages share, and the offset behind it. */
export function naiveHead(
  bytes: Buffer,
): { type: number; epoch: number; connection: number; next: number } | undefined {
  if (bytes.length < 5) return undefined;
  const [type, short] = [bytes[0]! % 4, Math.floor(bytes[0]! / 4)];
  const epoch = bytes.readUInt32BE(1);
  if (short < 63) return { type, epoch, connection: short, next: 5 };
  const long = naiveVarint(bytes, 5);
  return long && { type, epoch, connection: long.value, next: long.next };
}
