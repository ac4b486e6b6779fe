/**
 * The upstream half of one app connection: dialled at the first request that needs it, introduced with the sidecar's own
 * credentials where the app shows none, and dialled again for an app that only listens and whose idle half was closed.
 */
import type { Socket } from "node:net";
import type { Dialer } from "../discovery/dialer.js";
import { encodeCommand } from "../resp/encoder.js";
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
}

/** What a connection has become by its own requests, each kept as its bytes, to be said again after a re-dial. */
export type ReplayedRequest = "hello" | "auth" | "select" | "name";

const ERROR_TYPE = 0x2d;

export class UpstreamHalf {
  readonly #dialer: Dialer;
  readonly #identity: UpstreamIdentity;
  readonly #replies: Replies;
  readonly #owner: UpstreamOwner;
  #socket: Socket | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #state: "idle" | "dialling" | "open" | "ended" = "idle";
  #ending = false;
  /** The app has chosen its database, or ours has been selected for it. */
  #databaseChosen = false;
  readonly #replay = new Map<ReplayedRequest, Buffer>();

  constructor(dialer: Dialer, identity: UpstreamIdentity, replies: Replies, owner: UpstreamOwner) {
    this.#dialer = dialer;
    this.#identity = identity;
    this.#replies = replies;
    this.#owner = owner;
  }

  get dialled(): boolean {
    return this.#state === "dialling" || this.#state === "open";
  }

  /** Bytes that the upstream has not taken yet. */
  get backlog(): number {
    return this.#socket?.writableLength ?? this.#waitingBytes;
  }

  /**
   * Dials, if that has not been done, and introduces the connection.
   * @param ownCredentials false: the app's next request carries its own
   */
  open(ownCredentials: boolean): void {
    if (this.dialled) return;
    this.#state = "dialling";
    void this.#dial();
    const again = [...this.#replay.values()];
    if (!this.#replay.has("auth") && ownCredentials) this.authenticate();
    for (const request of again) this.#ask(request, "the connection's state could not be restored");
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
    if (this.#databaseChosen || db === 0 || this.#replay.has("select")) return;
    this.write(Buffer.concat(encodeCommand(["SELECT", String(db)])));
    this.#replies.expectOwn((value) => {
      if (value[0] !== ERROR_TYPE) this.#databaseChosen = true;
      else if (certain) this.#refused(`database ${db} of KEYFRAME_UPSTREAM was refused`, value);
    });
  }

  /** The app itself said where it belongs. */
  remember(what: ReplayedRequest, request: Buffer): void {
    if (what === "select") this.#databaseChosen = true;
    // A later HELLO or AUTH must be said again in its place, after what came before it.
    this.#replay.delete(what);
    this.#replay.set(what, request);
  }

  forgetAll(): void {
    this.#replay.clear();
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
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#waiting = [];
  }

  async #dial(): Promise<void> {
    let socket: Socket;
    try {
      socket = await this.#dialer.connect();
    } catch (error) {
      if (this.#state !== "dialling") return;
      this.#state = "ended";
      this.#owner.ended(`keyframe: ${(error as Error).message}`);
      return;
    }
    if (this.#state !== "dialling") {
      socket.destroy();
      return;
    }
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

  #closed(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    socket.destroy();
    this.#state = "idle";
    this.#databaseChosen = this.#replay.has("select");
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
