/** The reply scanner: any bytes in any pieces have the same boundaries, types and heads, or the same error. */
import { agree, byteByByte, Input, pieces } from "../input.js";
import { replyLimits, scan, textOf } from "../replies.js";

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const within = replyLimits[input.u8() % replyLimits.length]!;
  const cuts = [input.u16(), input.u16(), input.u8()];
  const bytes = input.rest();
  const whole = textOf(scan([bytes], within));
  agree("in pieces", whole, textOf(scan(pieces(bytes, cuts), within)));
  agree("byte by byte", whole, textOf(scan(byteByByte(bytes), within)));
}
