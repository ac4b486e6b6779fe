/**
 * The commands that keyframe has to notice, as small integers. The request decoder names each request with one of
 * them; `plane/classify` and `proxy/session` switch on it. Everything else is `Other` and passes untouched.
 */

import { WordTable } from "./words.js";

export const Command = {
  /** An empty request (`*0`, `*-1`, a blank line): Redis sends no reply to it. */
  None: 0,
  /** Any command that is not in this list, known to the server or not. */
  Other: 1,
  Publish: 2,
  Subscribe: 3,
  Unsubscribe: 4,
  PSubscribe: 5,
  PUnsubscribe: 6,
  SSubscribe: 7,
  SUnsubscribe: 8,
  SPublish: 9,
  Ping: 10,
  Quit: 11,
  Reset: 12,
  Hello: 13,
  Auth: 14,
  Select: 15,
  Multi: 16,
  Exec: 17,
  Discard: 18,
  Watch: 19,
  Unwatch: 20,
  Eval: 21,
  EvalSha: 22,
  EvalRo: 23,
  EvalShaRo: 24,
  FCall: 25,
  FCallRo: 26,
  Script: 27,
  Client: 28,
  Monitor: 29,
  PubSub: 30,
  Sync: 31,
  PSync: 32,
  Wait: 33,
  WaitAof: 34,
  ReadOnly: 35,
  ReadWrite: 36,
  Asking: 37,
  ReplConf: 38,
  HSet: 39,
} as const;

/** One of the values of `Command`. */
export type CommandId = (typeof Command)[keyof typeof Command];

const names = new WordTable(
  [
    ["publish", Command.Publish],
    ["subscribe", Command.Subscribe],
    ["unsubscribe", Command.Unsubscribe],
    ["psubscribe", Command.PSubscribe],
    ["punsubscribe", Command.PUnsubscribe],
    ["ssubscribe", Command.SSubscribe],
    ["sunsubscribe", Command.SUnsubscribe],
    ["spublish", Command.SPublish],
    ["ping", Command.Ping],
    ["quit", Command.Quit],
    ["reset", Command.Reset],
    ["hello", Command.Hello],
    ["auth", Command.Auth],
    ["select", Command.Select],
    ["multi", Command.Multi],
    ["exec", Command.Exec],
    ["discard", Command.Discard],
    ["watch", Command.Watch],
    ["unwatch", Command.Unwatch],
    ["eval", Command.Eval],
    ["evalsha", Command.EvalSha],
    ["eval_ro", Command.EvalRo],
    ["evalsha_ro", Command.EvalShaRo],
    ["fcall", Command.FCall],
    ["fcall_ro", Command.FCallRo],
    ["script", Command.Script],
    ["client", Command.Client],
    ["monitor", Command.Monitor],
    ["pubsub", Command.PubSub],
    ["sync", Command.Sync],
    ["psync", Command.PSync],
    ["wait", Command.Wait],
    ["waitaof", Command.WaitAof],
    ["readonly", Command.ReadOnly],
    ["readwrite", Command.ReadWrite],
    ["asking", Command.Asking],
    ["replconf", Command.ReplConf],
    ["hset", Command.HSet],
  ],
  true,
);

/** Length of the longest name in the table, bytes: a longer argument 0 is `Other` without being read. */
export const longestCommandName = names.longest;

/**
 * Names the command whose name is `buf[start, end)`, in any case, as Redis compares names.
 * Never `None`: an empty name is a command that the server will refuse, hence `Other`.
 */
export function commandOf(buf: Buffer, start: number, end: number): number {
  const found = names.find(buf, start, end);
  return found === 0 ? Command.Other : found;
}
