/**
 * The upstream half of one app connection: dialled at the first request that needs it, introduced with the sidecar's own
 * credentials where the app shows none, and dialled again at the next request when it was lost while nothing was at stake.
 *
 * A failover takes seconds, and the first dial after it is often refused: dialling goes on with growing pauses until a
 * deadline for all of it, while the requests wait here.
 */
import type { Socket } from "node:net";
import type { Dialer } from "../discovery/dialer.js";
import { encodeCommand } from "../resp/encoder.js";
import { provenAlive } from "./proof.js";
import { Aspect, Replay } from "./replay.js";
import type { Replies } from "./replies.js";

export interface UpstreamIdentity {
  username: string | undefined;
  password: string | undefined;
  db: number;
}

export interface UpstreamOwner {
  data(chunk: Buffer): void;
  /** Everything that was written has been taken: the app may be read again. */
  drained(): void;
  /** The connection ended, or could not be made; `error` is what to tell the app, if anything. */
  ended(error: string | undefined): void;
  /** No connection was to be had before the deadline. */
  tooLate(): void;
  /** The sidecar itself is without the upstream, or was not with it yet: who accepts a connection may not keep it. */
  readonly doubtful: boolean;
}

export interface UpstreamLimits {
  /** Beyond this many bytes that the upstream has not taken, the app is not read. */
  pauseBytes: number;
  /** Longest time in which a connection is to be had, all attempts included, milliseconds. */
  dialTimeoutMs: number;
}

const ERROR_TYPE = 0x2d;
const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 500;

export class UpstreamHalf {
  readonly #dialer: Dialer;
  readonly #identity: UpstreamIdentity;
  readonly #limits: UpstreamLimits;
  readonly #replies: Replies;
  readonly #owner: UpstreamOwner;
  #socket: Socket | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #state: "idle" | "dialling" | "open" | "ended" = "idle";
  #ending = false;
  #replaced = false;
  // While dialling: when to give up, when to try again, and why the last attempt failed.
  #deadline: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #proving: Socket | undefined;
  #attempts = 0;
  #trouble: string | undefined;
  /** The app has chosen its database, or ours has been selected for it. */
  #databaseChosen = false;
  readonly #replay = new Replay();

  constructor(
    dialer: Dialer,
    identity: UpstreamIdentity,
    limits: UpstreamLimits,
    replies: Replies,
    owner: UpstreamOwner,
  ) {
    this.#dialer = dialer;
    this.#identity = identity;
    this.#limits = limits;
    this.#replies = replies;
    this.#owner = owner;
  }

  get dialled(): boolean {
    return this.#state === "dialling" || this.#state === "open";
  }

  /** A connection of this app's was lost unseen: what the server knew of it is gone. */
  get replaced(): boolean {
    return this.#replaced;
  }

  /** The upstream has not taken what it was sent: the app should not be read. */
  get full(): boolean {
    const { pauseBytes } = this.#limits;
    const socket = this.#socket;
    if (socket === undefined) return this.#waitingBytes > pauseBytes;
    // Below its own mark a socket does not say when it has drained.
    return socket.writableLength > Math.max(pauseBytes, socket.writableHighWaterMark);
  }

  /**
   * Dials, if that has not been done, introduces the connection, and says again what an earlier one was told.
   * @param ownCredentials false: the app's next request carries its own
   */
  open(ownCredentials: boolean): void {
    if (this.dialled) return;
    this.#state = "dialling";
    this.#attempts = 0;
    this.#trouble = undefined;
    this.#deadline = setTimeout(() => this.#tooLate(), this.#limits.dialTimeoutMs);
    this.#dial();
    // A HELLO without credentials is refused where the server wants some, so ours go before it.
    const ours = this.#replay.empty ? ownCredentials : !this.#replay.introducesItself;
    if (ours) this.authenticate();
    for (const request of this.#replay.requests()) this.#ask(request, "the connection's state could not be restored");
    if (this.#replay.introducesItself) this.selectDatabase(true);
  }

  /** Sends the sidecar's own credentials, and selects its database where the app has not chosen one. */
  authenticate(): void {
    const { username, password } = this.#identity;
    if (password !== undefined) {
      const command = username === undefined ? ["AUTH", password] : ["AUTH", username, password];
      this.#ask(Buffer.concat(encodeCommand(command)), "the sidecar's credentials were refused");
    }
    this.selectDatabase(true);
  }

  /** @param certain false: the app's AUTH before it may fail, and then its error says enough */
  selectDatabase(certain: boolean): void {
    const db = this.#identity.db;
    if (this.#databaseChosen || db === 0 || this.#replay.says(Aspect.Database)) return;
    this.write(Buffer.concat(encodeCommand(["SELECT", String(db)])));
    this.#replies.expectOwn((value) => {
      if (value[0] !== ERROR_TYPE) this.#databaseChosen = true;
      else if (certain) this.#refused(`database ${db} of KEYFRAME_UPSTREAM was refused`, value);
    });
  }

  /** The server has agreed to a request that is to be said again on the next connection. */
  remember(aspects: number, request: Buffer): void {
    if ((aspects & Aspect.Database) !== 0) this.#databaseChosen = true;
    this.#replay.remember(aspects, request);
  }

  /** RESET. */
  forget(): void {
    this.#replay.reset();
    this.#databaseChosen = false;
  }

  write(bytes: Buffer): void {
    if (this.#state === "open") {
      this.#socket!.write(bytes);
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** The app will send no more. */
  end(): void {
    this.#ending = true;
    this.#socket?.end();
  }

  destroy(): void {
    this.#state = "ended";
    this.#stopDialling();
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #dial(): void {
    this.#attempts++;
    this.#dialer.connect().then(
      (socket) => this.#connected(socket),
      (error: unknown) => this.#failed(error as Error),
    );
  }

  #connected(socket: Socket): void {
    if (this.#state !== "dialling") {
      discard(socket);
      return;
    }
    if (!this.#replaced && this.#attempts === 1 && !this.#owner.doubtful) {
      this.#use(socket);
      return;
    }
    this.#proving = socket;
    const where = `${socket.remoteAddress}:${socket.remotePort}`;
    provenAlive(socket).then(
      (rest) => {
        if (this.#proving !== socket) return;
        this.#proving = undefined;
        this.#use(socket);
        if (rest.length > 0) this.#owner.data(rest);
      },
      (error: Error) => {
        discard(socket);
        if (this.#proving !== socket) return;
        this.#proving = undefined;
        this.#failed(new Error(`upstream ${where} cannot be used: ${error.message}`));
      },
    );
  }

  #use(socket: Socket): void {
    this.#stopDialling();
    this.#socket = socket;
    this.#state = "open";
    socket.on("data", (chunk: Buffer) => this.#owner.data(chunk));
    socket.on("drain", () => this.#owner.drained());
    socket.on("error", () => this.#closed(socket));
    socket.on("end", () => this.#closed(socket));
    socket.on("close", () => this.#closed(socket));
    socket.cork();
    for (const bytes of this.#waiting.splice(0)) socket.write(bytes);
    socket.uncork();
    this.#waitingBytes = 0;
    if (this.#ending) socket.end();
    this.#owner.drained();
  }

  #failed(error: Error): void {
    if (this.#state !== "dialling") return;
    this.#trouble = error.message;
    // Half of the pause is chance: the connections of a pod, and the pods, must not knock all at once.
    const pause = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#attempts - 1));
    this.#retry = setTimeout(() => this.#dial(), pause * (0.5 + Math.random() / 2));
  }

  #tooLate(): void {
    const { dialTimeoutMs } = this.#limits;
    const why = this.#trouble ?? "the upstream cannot be reached";
    this.#owner.tooLate();
    this.destroy();
    this.#owner.ended(`keyframe: ${why} (given up after ${this.#attempts} attempts in ${dialTimeoutMs} ms)`);
  }

  #stopDialling(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#retry);
    if (this.#proving !== undefined) discard(this.#proving);
    this.#proving = undefined;
  }

  #closed(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    socket.destroy();
    this.#state = "idle";
    this.#replaced = true;
    this.#databaseChosen = this.#replay.says(Aspect.Database);
    this.#owner.ended(undefined);
  }

  #ask(request: Buffer, refusal: string): void {
    this.write(request);
    this.#replies.expectOwn((value) => {
      if (value[0] === ERROR_TYPE) this.#refused(refusal, value);
    });
  }

  #refused(what: string, value: Buffer): void {
    const error = value.toString("utf8", 1, value.length - 2);
    this.destroy();
    this.#owner.ended(`keyframe: ${what}: ${error}`);
  }
}

/** Throws a connection away that nobody listens to. */
function discard(socket: Socket): void {
  socket.on("error", () => {});
  socket.destroy();
}
