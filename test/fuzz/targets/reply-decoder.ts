/**
 * The reply decoder: any bytes in any pieces hold the same values, or the same error; and it agrees with the scanner, which
 * finds the same boundaries in another way, about how many values there are. The decoder may be the stricter one.
 */
import { agree, byteByByte, Input, pieces } from "../input.js";
import { decode, replyLimits, scan, textOf } from "../replies.js";

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const within = replyLimits[input.u8() % replyLimits.length]!;
  const cuts = [input.u16(), input.u16(), input.u8()];
  const bytes = input.rest();
  const whole = decode([bytes], within);
  agree("in pieces", textOf(whole), textOf(decode(pieces(bytes, cuts), within)));
  agree("byte by byte", textOf(whole), textOf(decode(byteByByte(bytes), within)));
  const scanned = scan([bytes], within);
  const ended = scanned.values.filter((value) => !value.startsWith("open")).length;
  if (whole.error === undefined) agree("the scanner's count", String(whole.values.length), String(ended));
  if (whole.values.length > ended) throw new Error(`${whole.values.length} values decoded, ${ended} scanned`);
  if (whole.error === undefined && scanned.error !== undefined) throw new Error(`only scanned: ${scanned.error}`);
}
