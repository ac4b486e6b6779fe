/**
 * Who an app connection is: its HELLO, AUTH, SELECT, CLIENT SETNAME and CLIENT SETINFO. They pass to the server; what they make of the
 * connection is remembered, so that its upstream half can be dialled again, and so that a connection which is somebody
 * else than the trunk is never served in the trunk's name.
 */
import { Command } from "../resp/command.js";
import type { RequestDecoder } from "../resp/request.js";
import type { Binding } from "./binding.js";
import type { SessionContext } from "./context.js";
import { Aspect, MAX_REPLAYED_BYTES } from "./replay.js";
import type { Requests } from "./requests.js";
import type { Session } from "./session.js";

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
  readonly #binding: Binding;

  constructor(
    context: SessionContext,
    session: Session,
    requests: Requests,
    decoder: RequestDecoder,
    binding: Binding,
  ) {
    this.#context = context;
    this.#session = session;
    this.#requests = requests;
    this.#decoder = decoder;
    this.#binding = binding;
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
    let aspects: number = version === "2" || version === "3" ? Aspect.Protocol : 0;
    let credentials = false;
    for (let i = 2; i < decoder.argc; i++) {
      const option = word(decoder, i);
      if (option === "auth" && i + 2 < decoder.argc) {
        credentials = true;
        aspects |= Aspect.Credentials;
        if (!this.#isTrunk(decoder.arg(i + 1).toString(), decoder.arg(i + 2).toString()))
          this.#requests.latch("identity");
        i += 2;
      } else if (option === "setname") {
        aspects |= Aspect.Name;
        i++;
      }
    }
    const asked = version === "3" ? 3 : version === "2" ? 2 : this.protocol;
    const { replies } = this.#session;
    const note = this.#note(aspects);
    // Requests behind it are judged as if it succeeds, until it is known to have failed.
    this.protocol = asked;
    this.#requests.passExpecting(() =>
      replies.expectNoted((succeeded) => {
        if (succeeded) replies.protocol = asked;
        else this.protocol = replies.protocol;
        // Without a version it only asks.
        if (succeeded && aspects !== 0) note();
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
    this.#passNoted(Aspect.Credentials);
    this.#introduced();
  }

  select(): void {
    this.#passNoted(Aspect.Database);
  }

  setName(): void {
    this.#passNoted(Aspect.Name);
  }

  /** CLIENT SETINFO; what the server does not know it refuses. */
  setInfo(): void {
    this.#passNoted(word(this.#decoder, 2) === "lib-ver" ? Aspect.LibraryVersion : Aspect.LibraryName);
  }

  /** The connection is nobody again; as at its beginning, it is introduced by us. */
  reset(): void {
    const { upstream, replies } = this.#session;
    this.protocol = 2;
    upstream.forget();
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
  #passNoted(aspects: number): void {
    const note = this.#note(aspects);
    this.#requests.passExpecting(() => this.#session.replies.expectNoted((succeeded) => succeeded && note()));
  }

  /** What to do once the request at hand has succeeded. */
  #note(aspects: number): () => void {
    // Between MULTI and EXEC, success means that it is queued; whether it happens is not seen.
    if (this.#binding.inMulti) return () => this.#binding.bindForGood();
    const request = this.#bytes();
    if (request.length > MAX_REPLAYED_BYTES) return () => this.#binding.bindForGood();
    return () => this.#session.upstream.remember(aspects, request);
  }

  #isTrunk(username: string, password: string): boolean {
    const identity = this.#context.identity;
    return username === (identity.username ?? "default") && password === identity.password;
  }

  #bytes(): Buffer {
    return Buffer.concat(this.#decoder.raw());
  }
}
