/** How the two fuzz targets of replies write down what scanner and decoder say, as strings that can be compared. */
import { defaultRespLimits, type RespLimits } from "../../src/core/limits.js";
import { type Reply, ReplyDecoder, ReplyError, ReplyMap, ReplyPush, ReplySet } from "../../src/resp/reply-decoder.js";
import { ReplyScanner } from "../../src/resp/reply-scanner.js";
import { guarded, refused } from "./input.js";

export const replyLimits: readonly RespLimits[] = [
  defaultRespLimits,
  { maxBulkBytes: 64, maxArgs: 8, maxDepth: 4, maxLineBytes: 48 },
];

export interface Said {
  /** One entry a top-level value. */
  values: string[];
  error: string | undefined;
}

/** Type, head and end of every value; of the one that is open at the end, its type. */
export function scan(chunks: readonly Buffer[], limits: RespLimits): Said {
  const scanner = new ReplyScanner(limits);
  const values: string[] = [];
  let before = 0;
  const failure = guarded(() => {
    for (const chunk of chunks) {
      scanner.write(chunk);
      while (scanner.next()) {
        if (scanner.start > scanner.end || scanner.end > chunk.length) throw new Error("a value outside its chunk");
        values.push(`${scanner.type} ${scanner.head} ${before + scanner.end}`);
      }
      before += chunk.length;
    }
    if (scanner.open) values.push(`open ${scanner.openType} ${scanner.openHead}`);
  });
  return { values, error: refused(failure) ? failure.message : undefined };
}

export function decode(chunks: readonly Buffer[], limits: RespLimits): Said {
  const values: string[] = [];
  const decoder = new ReplyDecoder(limits, (reply) => values.push(shown(reply)));
  const failure = guarded(() => {
    for (const chunk of chunks) decoder.write(chunk);
  });
  return { values, error: refused(failure) ? failure.message : undefined };
}

export function textOf({ values, error }: Said): string {
  return `${values.join("\n")}\n${error ?? ""}`;
}

function shown(reply: Reply): string {
  if (Buffer.isBuffer(reply)) return `$${reply.toString("latin1")}`;
  if (Array.isArray(reply)) return `[${reply.map(shown).join()}]`;
  if (reply instanceof ReplyMap) return `%[${reply.entries.flat().map(shown).join()}]`;
  if (reply instanceof ReplySet) return `~[${reply.items.map(shown).join()}]`;
  if (reply instanceof ReplyPush) return `>[${reply.items.map(shown).join()}]`;
  if (reply instanceof ReplyError) return `-${reply.message}`;
  if (typeof reply === "object" && reply !== null) return `=${reply.format}:${reply.text.toString("latin1")}`;
  return `${typeof reply} ${String(reply)}`;
}
