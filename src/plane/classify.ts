/**
 * Which plane a request belongs to. Every command belongs to exactly one; what is not pub/sub on a frame channel passes.
 *
 * Pure: it looks at the command and at what its connection has done so far, and says what is to be done. The session
 * does it.
 */
import { Command } from "../resp/command.js";

export const Action = {
  /** Forward the bytes; one reply comes. */
  Pass: 0,
  /** Forward the bytes; no reply comes (an empty request). */
  PassSilent: 1,
  Publish: 2,
  Subscribe: 3,
  Unsubscribe: 4,
  Ping: 5,
  Quit: 6,
  Reset: 7,
  Hello: 8,
  Auth: 9,
  Select: 10,
  Multi: 11,
  /** EXEC, scripts, functions: they may publish, so what is queued goes first. */
  AfterQueue: 12,
  Discard: 13,
  Client: 14,
  Monitor: 15,
  /** SYNC and PSYNC: what follows is not RESP. */
  Replicate: 16,
  Watch: 17,
  /** SSUBSCRIBE and SUNSUBSCRIBE: passed, but acknowledged once for each channel. */
  Shard: 18,
  /** HSET: it may write a session. */
  HSet: 19,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

const actions = new Uint8Array(64).fill(Action.Pass);
actions[Command.None] = Action.PassSilent;
actions[Command.Publish] = Action.Publish;
actions[Command.SPublish] = Action.Publish;
actions[Command.Subscribe] = Action.Subscribe;
actions[Command.PSubscribe] = Action.Subscribe;
actions[Command.Unsubscribe] = Action.Unsubscribe;
actions[Command.PUnsubscribe] = Action.Unsubscribe;
actions[Command.SSubscribe] = Action.Shard;
actions[Command.SUnsubscribe] = Action.Shard;
actions[Command.Ping] = Action.Ping;
actions[Command.Quit] = Action.Quit;
actions[Command.Reset] = Action.Reset;
actions[Command.Hello] = Action.Hello;
actions[Command.Auth] = Action.Auth;
actions[Command.Select] = Action.Select;
actions[Command.Multi] = Action.Multi;
actions[Command.Exec] = Action.AfterQueue;
actions[Command.Discard] = Action.Discard;
actions[Command.Eval] = Action.AfterQueue;
actions[Command.EvalSha] = Action.AfterQueue;
actions[Command.FCall] = Action.AfterQueue;
actions[Command.Client] = Action.Client;
actions[Command.Monitor] = Action.Monitor;
actions[Command.Sync] = Action.Replicate;
actions[Command.PSync] = Action.Replicate;
actions[Command.Watch] = Action.Watch;
actions[Command.HSet] = Action.HSet;

export function actionOf(command: number): Action {
  return actions[command] as Action;
}

/** What a RESP2 connection with subscriptions may still ask; the server refuses it everything else. */
export function allowedWhileSubscribed(action: Action): boolean {
  return (
    action === Action.Subscribe ||
    action === Action.Unsubscribe ||
    action === Action.Shard ||
    action === Action.Ping ||
    action === Action.Quit ||
    action === Action.Reset ||
    action === Action.PassSilent
  );
}
