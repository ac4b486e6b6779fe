/**
 * HSET: where the app writes a session, that tells whom this pod serves. Such a request goes on, and so is answered, once the
 * server counts us for its user's room: a client that has been let in misses no frame from then on.
 *
 * Open WebUI's call is synchronous and stops all of its process, so the wait is short and bounded.
 */
import type { RequestDecoder } from "../resp/request.js";
import type { LocalRooms } from "../trunk/rooms.js";
import type { Requests } from "./requests.js";
import type { Session } from "./session.js";

export class SessionPool {
  readonly #rooms: LocalRooms;
  readonly #session: Session;
  readonly #requests: Requests;
  readonly #decoder: RequestDecoder;

  constructor(rooms: LocalRooms, session: Session, requests: Requests, decoder: RequestDecoder) {
    this.#rooms = rooms;
    this.#session = session;
    this.#requests = requests;
    this.#decoder = decoder;
  }

  /** Takes the HSET at hand: key, then pairs of a session's id and its user. */
  take(): void {
    const decoder = this.#decoder;
    let waits = 0;
    const counted = () => {
      if (--waits === 0) this.#goOn();
    };
    if (this.#written()) {
      for (let i = 3; i < decoder.argc; i += 2) if (this.#rooms.session(decoder.arg(i), counted)) waits++;
    }
    if (waits === 0) this.#requests.pass(1);
    else this.#requests.block();
  }

  /** An HSET on a connection where no answer can be held. */
  passing(): void {
    if (this.#written()) this.#rooms.unseen();
  }

  #written(): boolean {
    return this.#decoder.argc >= 4 && this.#rooms.watches(this.#decoder.arg(1));
  }

  #goOn(): void {
    if (this.#session.closed) return;
    this.#requests.pass(1);
    this.#requests.unblock();
  }
}
