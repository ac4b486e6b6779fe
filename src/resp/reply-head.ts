/**
 * The first word of a top-level array or push in a reply stream: it tells a pub/sub message and a subscription's
 * acknowledgement from the reply of a command. Found by the reply scanner, read by `proxy/reply`.
 */

import { WordTable } from "./words.js";

export const ReplyHead = {
  /** Not an array or push, or not known yet. */
  None: 0,
  /** An array or push that begins with anything else (an empty or null one too). */
  Other: 1,
  Message: 2,
  PMessage: 3,
  SMessage: 4,
  Subscribe: 5,
  Unsubscribe: 6,
  PSubscribe: 7,
  PUnsubscribe: 8,
  SSubscribe: 9,
  SUnsubscribe: 10,
  Pong: 11,
  Invalidate: 12,
} as const;

/** One of the values of `ReplyHead`. */
export type ReplyHeadId = (typeof ReplyHead)[keyof typeof ReplyHead];

// Servers write these in lower case, so case is not folded: fewer ordinary replies look like a push.
const words = new WordTable(
  [
    ["message", ReplyHead.Message],
    ["pmessage", ReplyHead.PMessage],
    ["smessage", ReplyHead.SMessage],
    ["subscribe", ReplyHead.Subscribe],
    ["unsubscribe", ReplyHead.Unsubscribe],
    ["psubscribe", ReplyHead.PSubscribe],
    ["punsubscribe", ReplyHead.PUnsubscribe],
    ["ssubscribe", ReplyHead.SSubscribe],
    ["sunsubscribe", ReplyHead.SUnsubscribe],
    ["pong", ReplyHead.Pong],
    ["invalidate", ReplyHead.Invalidate],
  ],
  false,
);

/** Length of the longest head, bytes. */
export const longestReplyHead = words.longest;

/** Names the word in `buf[start, end)`: one of `ReplyHead`, never `None`. */
export function replyHeadOf(buf: Buffer, start: number, end: number): number {
  const found = words.find(buf, start, end);
  return found === 0 ? ReplyHead.Other : found;
}
