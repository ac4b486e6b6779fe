/**
 * The requests of one app connection that do not simply pass: those that we answer, and those after which the connection
 * is another one (who it is, which protocol, what may be counted on).
 */
import type { UpstreamState } from "../broker/broker.js";
import { Action } from "../plane/classify.js";
import { Command } from "../resp/command.js";
import { encodeCommand, errorReply, OK, pongReply, subscriptionReply } from "../resp/encoder.js";
import type { RequestDecoder } from "../resp/request.js";
import { isReserved } from "../socketio/channels.js";
import { Binding } from "./binding.js";
import type { SessionContext } from "./context.js";
import { Introduction, word } from "./introduction.js";
import { Publishing, RESERVED } from "./publishing.js";
import type { Requests } from "./requests.js";
import { ScriptCalls } from "./scripts.js";
import type { Session } from "./session.js";
import { SessionPool } from "./session-pool.js";
import { Subscriptions } from "./subscriptions.js";

export class OwnRequests {
  readonly subscriptions: Subscriptions<UpstreamState>;
  readonly introduction: Introduction;
  /** What ties the app to the upstream half it has. */
  readonly binding = new Binding();
  readonly #context: SessionContext;
  readonly #session: Session;
  readonly #requests: Requests;
  readonly #decoder: RequestDecoder;
  readonly #publishing: Publishing;
  readonly #scriptCalls: ScriptCalls;
  readonly #pool: SessionPool;
  /** Replies are no longer counted. */
  #uncounted = false;
  /** The app has asked for shard channels, which nobody here counts. */
  #sharded = false;
  /** The queue has been flushed for the request at hand. */
  #flushed = false;

  constructor(context: SessionContext, session: Session, requests: Requests, decoder: RequestDecoder) {
    this.#context = context;
    this.#session = session;
    this.#requests = requests;
    this.#decoder = decoder;
    this.introduction = new Introduction(context, session, requests, decoder, this.binding);
    this.#publishing = new Publishing(context, session, requests, decoder);
    this.#pool = new SessionPool(context.rooms, session, requests, decoder);
    this.#scriptCalls = new ScriptCalls(context.scripts, session, requests, decoder, this.binding);
    this.subscriptions = new Subscriptions(context.broker, context.channels, session.replies, session, {
      reply: (bytes) => session.reply(bytes),
      forward: (verb, names, acks) => this.#forwardSubscription(verb, names, acks),
      afterReplies: (next) => requests.whenAnswered(next),
    });
  }

  /** @returns false where it is not this request's turn */
  dispatch(action: Action): boolean {
    const requests = this.#requests;
    switch (action) {
      case Action.PassSilent:
        requests.pass(0);
        return true;
      case Action.Publish:
        return this.#publishing.take(this.binding.inMulti);
      case Action.Subscribe:
        return this.#subscribe();
      case Action.Unsubscribe:
        return this.#unsubscribe();
      case Action.Shard:
        return this.#shard();
      case Action.Ping:
        return this.#ping();
      case Action.Quit:
        return this.#quit();
      case Action.Reset:
        return this.#reset();
      case Action.Hello:
        this.introduction.hello();
        return true;
      case Action.Auth:
        this.introduction.auth();
        return true;
      case Action.Select:
        this.introduction.select();
        return true;
      case Action.Multi:
        this.binding.begin(this.#decoder.argc);
        requests.pass(1);
        return true;
      case Action.Discard:
        this.binding.end(this.#decoder.argc);
        requests.pass(1);
        return true;
      case Action.AfterQueue:
        return this.#afterQueue();
      case Action.Client:
        return this.#client();
      case Action.Monitor:
        return this.#latch("monitor", action);
      case Action.Replicate:
        return this.#latch("replication", action);
      case Action.HSet:
        this.#pool.take();
        return true;
      default:
        return this.#passTying();
    }
  }

  /** A request that passes, and may tie the app to the connection it passes on. */
  #passTying(): boolean {
    const { command, argc } = this.#decoder;
    const { replaced } = this.#session.upstream;
    const bind = this.binding.look(command, argc, word(this.#decoder, 1), replaced);
    if (bind === undefined) {
      this.#requests.pass(1);
    } else if (bind === "refuse") {
      // What it asks about was said to a connection that is gone. Here the app learns of it, as it would have then.
      if (this.#requests.outstanding) return false;
      this.#session.close("upstream");
    } else {
      this.#requests.passExpecting((replies) => replies.expectNoted((succeeded) => succeeded && bind()));
    }
    return true;
  }

  /** A request of a connection for which everything passes. */
  latchedRequest(action: Action): boolean {
    const subscribes = action === Action.Subscribe || action === Action.Unsubscribe || action === Action.Shard;
    const first = subscribes || action === Action.Publish ? 1 : this.#decoder.argc;
    for (let i = first; i < this.#decoder.argc && (subscribes || i === 1); i++) {
      if (!isReserved(this.#decoder.arg(i))) continue;
      this.#session.fail(RESERVED, "refused");
      return true;
    }
    if (subscribes) this.subscriptions.passing(this.#kind(), this.#names(), true);
    if (action === Action.HSet) this.#pool.passing();
    if (this.#uncounted) {
      this.#requests.pass(0);
    } else {
      this.#uncounted = true;
      this.#requests.passExpecting((replies) => replies.expectAnything());
    }
    return true;
  }

  /** What the server says to a RESP2 connection that has subscriptions and asks for anything else. */
  refuseWhileSubscribed(): boolean {
    if (this.#requests.outstanding) return false;
    const decoder = this.#decoder;
    let name = decoder.arg(0).toString("latin1").toLowerCase();
    if (decoder.command === Command.Client && decoder.argc > 1) name += `|${word(decoder, 1)}`;
    // A refused EXEC ends its transaction, and the server says so, whether there was one or not.
    const code = decoder.command === Command.Exec ? "EXECABORT Transaction discarded because of:" : "ERR";
    this.#session.reply(
      errorReply(
        `${code} Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
      ),
    );
    return true;
  }

  #subscribe(): boolean {
    if (this.binding.inMulti) return this.#latch("multi_subscribe", Action.Subscribe);
    const kind = this.#kind();
    const names = this.#names();
    if (names.some(isReserved)) return this.#answer(errorReply(RESERVED));
    const denied = this.#context.publisher.link.state === "denied";
    if (names.length === 0 || denied || !this.subscriptions.concerns(kind, names)) {
      if (names.length === 0) return this.#passPlain();
      this.subscriptions.passing(kind, names, true);
      this.#requests.passExpecting((replies) => replies.expectAcks(names.length, false));
      return true;
    }
    if (this.#requests.outstanding) return false;
    this.#context.brokered.inc();
    this.#requests.block();
    this.subscriptions.subscribe(kind, names, () => this.#requests.unblock());
    return true;
  }

  #unsubscribe(): boolean {
    if (this.binding.inMulti) return this.#latch("multi_subscribe", Action.Unsubscribe);
    const kind = this.#kind();
    const names = this.#names();
    if (this.subscriptions.local === 0) {
      const acks = names.length > 0 ? names.length : this.subscriptions.passingAll(kind);
      this.subscriptions.passing(kind, names, false);
      this.#requests.passExpecting((replies) => replies.expectAcks(acks, false));
      return true;
    }
    if (this.#requests.outstanding) return false;
    this.#context.brokered.inc();
    this.#requests.block();
    this.subscriptions.unsubscribe(kind, names, () => this.#requests.unblock());
    return true;
  }

  #shard(): boolean {
    const names = this.#names();
    if (names.some(isReserved)) return this.#answer(errorReply(RESERVED));
    if (this.#decoder.command === Command.SUnsubscribe && !this.#sharded && this.subscriptions.local > 0) {
      // The upstream half has no subscription, and would say so; the app has some.
      const { resp3 } = this.#session;
      const acks = (names.length === 0 ? [null] : names).map((name) =>
        subscriptionReply(resp3, "sunsubscribe", name, 0),
      );
      return this.#answer(Buffer.concat(acks));
    }
    this.#sharded = true;
    this.binding.bindUntilReset();
    // A bare SUNSUBSCRIBE is acknowledged once for each shard channel, which nobody here counts.
    if (names.length === 0) return this.#latch("multi_subscribe", Action.Shard);
    this.#requests.passExpecting((replies) => replies.expectAcks(names.length, true));
    return true;
  }

  #ping(): boolean {
    const { subscriptions } = this;
    const decoder = this.#decoder;
    if (
      subscriptions.local === 0 ||
      subscriptions.upstream > 0 ||
      this.introduction.protocol === 3 ||
      decoder.argc > 2
    ) {
      return this.#passPlain();
    }
    return this.#answer(pongReply(false, true, decoder.argc === 2 ? decoder.copyArg(1) : null));
  }

  #quit(): boolean {
    if (!this.#session.upstream.dialled) {
      this.#session.reply(OK);
      this.#session.close("app");
      return true;
    }
    this.#requests.pass(1);
    // The server reads no further, and closes; what this connection held ends with it.
    this.binding.bindForGood();
    this.#requests.block();
    return true;
  }

  #reset(): boolean {
    if (this.#requests.outstanding) return false;
    this.subscriptions.clear();
    this.binding.reset();
    this.introduction.reset();
    return true;
  }

  #client(): boolean {
    const sub = word(this.#decoder, 1);
    if (sub === "reply") return this.#latch("client_reply", Action.Client);
    if (sub === "setname") {
      this.introduction.setName();
      return true;
    }
    if (sub === "setinfo") {
      this.introduction.setInfo();
      return true;
    }
    return this.#passTying();
  }

  /** Commands that may publish by themselves: frames that were queued before go out before. */
  #afterQueue(): boolean {
    if (!this.#flushed && !this.#context.publisher.queue.empty) {
      this.#requests.block();
      this.#context.publisher.whenFlushed(() => {
        this.#flushed = true;
        if (this.#session.closed) return;
        this.#requests.unblock();
      });
      return false;
    }
    this.#flushed = false;
    if (this.#decoder.command === Command.Eval) {
      this.#scriptCalls.take();
      return true;
    }
    if (this.#decoder.command === Command.Exec) this.binding.end(this.#decoder.argc);
    this.#requests.pass(1);
    return true;
  }

  /** From here on everything passes, once what came before has been answered and what is queued has gone. */
  #latch(reason: "client_reply" | "monitor" | "multi_subscribe" | "replication", action: Action): boolean {
    if (this.#requests.outstanding) return false;
    if (!this.#flushed && !this.#context.publisher.queue.empty) return this.#afterQueue();
    this.#flushed = false;
    if (this.subscriptions.local > 0) {
      // Its messages could no longer be put between replies that nobody counts.
      this.#session.fail("ERR keyframe: not supported on a connection that is subscribed to frame channels", "refused");
      return true;
    }
    this.#requests.latch(reason);
    if (action === Action.Replicate) this.#session.replies.opaque = true;
    return this.latchedRequest(action);
  }

  #forwardSubscription(verb: string, names: readonly Buffer[], acks: number): void {
    if (!this.#session.upstream.dialled) this.#session.upstream.open(true);
    this.#session.replies.expectAcks(acks, false);
    this.#session.forward(Buffer.concat(encodeCommand([verb.toUpperCase(), ...names])));
  }

  #answer(bytes: Buffer): boolean {
    if (this.#requests.outstanding) return false;
    this.#session.reply(bytes);
    return true;
  }

  #passPlain(): boolean {
    this.#requests.pass(1);
    return true;
  }

  #kind(): "channel" | "pattern" {
    const { command } = this.#decoder;
    return command === Command.PSubscribe || command === Command.PUnsubscribe ? "pattern" : "channel";
  }

  #names(): Buffer[] {
    const names: Buffer[] = [];
    for (let i = 1; i < this.#decoder.argc; i++) names.push(this.#decoder.copyArg(i));
    return names;
  }
}
