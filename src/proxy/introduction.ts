/**
 * Who an app connection is: its HELLO, AUTH, SELECT and CLIENT SETNAME. They pass to the server; what they make of the
 * connection is remembered, so that its upstream half can be dialled again, and so that a connection which is somebody
 * else than the trunk is never served in the trunk's name.
 */
import { Command } from "../resp/command.js";
import type { RequestDecoder } from "../resp/request.js";
import type { SessionContext } from "./context.js";
import type { Requests } from "./requests.js";
import type { Session } from "./session.js";
import type { ReplayedRequest } from "./upstream.js";

/** The n-th argument as lower-case text; for subcommands and options, never for payloads. */
export function word(decoder: RequestDecoder, n: number): string {
  return n < decoder.argc && decoder.argLength(n) <= 32 ? decoder.arg(n).toString("latin1").toLowerCase() : "";
}

export class Introduction {
  /** The protocol that the app has asked for; its requests are judged by it, its replies by what the server answered. */
  protocol: 2 | 3 = 2;
  readonly #context: SessionContext;
  readonly #session: Session;
  readonly #requests: Requests;
  readonly #decoder: RequestDecoder;

  constructor(context: SessionContext, session: Session, requests: Requests, decoder: RequestDecoder) {
    this.#context = context;
    this.#session = session;
    this.#requests = requests;
    this.#decoder = decoder;
  }

  /** True where the request at hand says who the app is, so that we need not say who we are. */
  carriesCredentials(): boolean {
    const decoder = this.#decoder;
    if (decoder.released) return false;
    if (decoder.command === Command.Auth) return true;
    return decoder.command === Command.Hello && word(decoder, 2) === "auth";
  }

  hello(): void {
    const decoder = this.#decoder;
    const version = word(decoder, 1);
    let again: Buffer | undefined = version === "2" || version === "3" ? this.#bytes() : undefined;
    let credentials = false;
    for (let i = 2; i < decoder.argc; i++) {
      const option = word(decoder, i);
      if (option === "auth" && i + 2 < decoder.argc) {
        credentials = true;
        if (!this.#isTrunk(decoder.arg(i + 1).toString(), decoder.arg(i + 2).toString()))
          this.#requests.latch("identity");
        i += 2;
      } else if (option === "setname") {
        i++;
      } else {
        again = undefined;
      }
    }
    const asked = version === "3" ? 3 : version === "2" ? 2 : this.protocol;
    const { replies, upstream } = this.#session;
    // Requests behind it are judged as if it succeeds, until it is known to have failed.
    this.protocol = asked;
    this.#requests.passExpecting(() =>
      replies.expectNoted((succeeded) => {
        if (succeeded) replies.protocol = asked;
        else this.protocol = replies.protocol;
        if (succeeded && again !== undefined) upstream.remember("hello", again);
      }),
    );
    if (credentials) this.#introduced();
  }

  auth(): void {
    const decoder = this.#decoder;
    if (decoder.argc === 2 || decoder.argc === 3) {
      const username = decoder.argc === 3 ? decoder.arg(1).toString() : "default";
      if (!this.#isTrunk(username, decoder.arg(decoder.argc - 1).toString())) this.#requests.latch("identity");
    }
    this.#passNoted("auth");
    this.#introduced();
  }

  select(): void {
    this.#passNoted("select");
  }

  setName(): void {
    this.#passNoted("name");
  }

  /** The connection is nobody again; as at its beginning, it is introduced by us. */
  reset(): void {
    const { upstream, replies } = this.#session;
    this.protocol = 2;
    upstream.forgetAll();
    this.#requests.passExpecting(() =>
      replies.expectNoted((succeeded) => {
        if (succeeded) replies.forgetSubscriptions();
      }),
    );
    this.#requests.forwardRun();
    upstream.authenticate();
  }

  /** The app has said who it is; the database is still ours to choose until it says so. */
  #introduced(): void {
    this.#requests.forwardRun();
    this.#session.upstream.selectDatabase(false);
  }

  /** Passes a request that is said again, should the upstream half be dialled anew, if it succeeds. */
  #passNoted(what: ReplayedRequest): void {
    const { replies, upstream } = this.#session;
    const request = this.#bytes();
    this.#requests.passExpecting(() =>
      replies.expectNoted((succeeded) => succeeded && upstream.remember(what, request)),
    );
  }

  #isTrunk(username: string, password: string): boolean {
    const identity = this.#context.identity;
    return username === (identity.username ?? "default") && password === identity.password;
  }

  #bytes(): Buffer {
    return Buffer.concat(this.#decoder.raw());
  }
}
