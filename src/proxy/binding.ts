/**
 * What ties an app connection to the one upstream connection it has. A connection that nothing ties may lose that half
 * unseen: another is dialled at its next command. One that is tied ends with its half, as it would have without us.
 *
 * This table is the whole rule, together with two things that are seen elsewhere: whatever is unanswered or half way
 * (`replies`), and everything of a connection that is latched or has subscriptions upstream (`requests`).
 *
 * | request                                          | ties                                                       |
 * |--------------------------------------------------|------------------------------------------------------------|
 * | HELLO, AUTH, SELECT, CLIENT SETNAME and SETINFO  | no: said again (`replay`), unless queued by MULTI or huge  |
 * | MULTI                                            | until EXEC or DISCARD                                      |
 * | WATCH                                            | until UNWATCH, EXEC or DISCARD                             |
 * | CLIENT, READONLY, SCRIPT DEBUG, … (`TIES`)       | as the tables below say                                    |
 * | anything else                                    | no                                                         |
 */
import { Command } from "../resp/command.js";

const Tie = {
  No: 0,
  /** Once it has succeeded, until RESET. */
  UntilReset: 1,
  /** Once it has succeeded, for good: RESET does not take back what the app knows, nor what some servers keep over it. */
  ForGood: 2,
  /** For good; and it asks about what this connection has written, so it has no answer on one that replaces another. */
  LooksBack: 3,
  /** See CLIENT_TIES. */
  Client: 4,
  /** SCRIPT DEBUG only. */
  Script: 5,
  Watch: 6,
  Unwatch: 7,
} as const;
type Tie = (typeof Tie)[keyof typeof Tie];

/** By command; not here: no tie. */
const TIES = new Uint8Array(64);
TIES[Command.Client] = Tie.Client;
TIES[Command.Script] = Tie.Script;
TIES[Command.Watch] = Tie.Watch;
TIES[Command.Unwatch] = Tie.Unwatch;
TIES[Command.Wait] = Tie.LooksBack;
TIES[Command.WaitAof] = Tie.LooksBack;
TIES[Command.ReadOnly] = Tie.UntilReset;
TIES[Command.ReadWrite] = Tie.UntilReset;
TIES[Command.Asking] = Tie.UntilReset;
TIES[Command.ReplConf] = Tie.ForGood;

/** CLIENT subcommands; one that is not here ties for good, since nobody knows what it does. */
const CLIENT_TIES: Readonly<Record<string, Tie>> = {
  // An app asks for it to use it: UNBLOCK, KILL, TRACKING REDIRECT. It would be another connection's.
  id: Tie.ForGood,
  // A tracked key that changes while nobody listens is a stale cache: the app must see its connection end.
  tracking: Tie.UntilReset,
  caching: Tie.UntilReset,
  "no-evict": Tie.ForGood,
  "no-touch": Tie.ForGood,
  getname: Tie.No,
  getredir: Tie.No,
  trackinginfo: Tie.No,
  info: Tie.No,
  list: Tie.No,
  kill: Tie.No,
  unblock: Tie.No,
  pause: Tie.No,
  unpause: Tie.No,
  help: Tie.No,
};

export class Binding {
  /** The server only queues what comes: it is between MULTI and its end. */
  inMulti = false;
  #watching = false;
  #untilReset = false;
  #forGood = false;

  /** True while the upstream half must not be replaced unseen. */
  get bound(): boolean {
    return this.inMulti || this.#watching || this.#untilReset || this.#forGood;
  }

  /** Ends when the connection does. */
  bindForGood(): void {
    this.#forGood = true;
  }

  bindUntilReset(): void {
    this.#untilReset = true;
  }

  /** False for nearly everything: such a request just passes. */
  static concerns(command: number): boolean {
    return TIES[command] !== Tie.No;
  }

  /**
   * What the request at hand does, other than HELLO, AUTH, SELECT and those below.
   * @param subcommand its first argument in lower case
   * @returns what to do once it has succeeded, if anything; "refuse" where a replaced connection cannot answer it
   */
  look(command: number, argc: number, subcommand: string, replaced: boolean): (() => void) | "refuse" | undefined {
    let tie = TIES[command] as Tie;
    if (tie === Tie.Client) tie = Object.hasOwn(CLIENT_TIES, subcommand) ? CLIENT_TIES[subcommand]! : Tie.ForGood;
    switch (tie) {
      case Tie.LooksBack:
        return replaced ? "refuse" : () => this.bindForGood();
      case Tie.ForGood:
        return () => this.bindForGood();
      case Tie.UntilReset:
        return () => this.bindUntilReset();
      case Tie.Script:
        return subcommand === "debug" ? () => this.bindForGood() : undefined;
      case Tie.Watch:
        this.#watching = true;
        return undefined;
      case Tie.Unwatch:
        if (argc === 1 && !this.inMulti) this.#watching = false;
        return undefined;
      default:
        return undefined;
    }
  }

  /** MULTI. The wrong number of arguments is refused by the server, here and below, and changes nothing. */
  begin(argc: number): void {
    if (argc === 1) this.inMulti = true;
  }

  /** EXEC or DISCARD: without MULTI both are refused, and a WATCH stays. */
  end(argc: number): void {
    if (argc !== 1 || !this.inMulti) return;
    this.inMulti = false;
    this.#watching = false;
  }

  reset(): void {
    this.inMulti = false;
    this.#watching = false;
    this.#untilReset = false;
  }
}
