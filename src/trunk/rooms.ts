/**
 * Which users have sessions in this pod, as the app's own writes to its session pool say. Frames for the rooms of others
 * are passed over; and the pod is counted as an audience for the rooms of its own (`~kf1~to~user:<id>`).
 *
 *   HSET <prefix>:session_pool <sid> <user> ─▶ proxy ─▶ here ─▶ subscriber
 *
 * Where it cannot be sure whom the pod serves, it needs everything: before the first session is written, where no
 * directory outlives the process, and after anything that it could not read or keep. A session's end says nothing: live
 * ones are reaped. Only a day without a word of the user ends it.
 */
import type { Counter, Log, Meter } from "../core/ports.js";
import { markOf } from "../plane/mark.js";
import { presenceChannel } from "../socketio/channels.js";
import { userRoom } from "../socketio/rooms.js";
import { RoomStore } from "./room-store.js";
import type { Upstreamed } from "./subscriber.js";

/** What the receiving connection does for rooms. */
export interface RoomSubscriptions {
  /** Somebody in the pod listens to the shared channel: else no room is joined. */
  readonly shared: boolean;
  /** Counts this pod among the audience of a room from now on; settled() says when. */
  want(kind: "room", presence: Buffer): Upstreamed;
  drop(subscription: Upstreamed): void;
  /** Whether this pod needs no other rooms than those it has joined. */
  knowsRooms(known: boolean): void;
}

export interface RoomOptions {
  /** Of the app's keys: the session pool is `<prefix>:session_pool`. */
  keyPrefix: string;
  /** Where the users are kept over a restart of this process; undefined: they are not, and every frame is needed. */
  stateDir: string | undefined;
  /** Most users; with more, every frame is needed. 0: no rooms at all. */
  count: number;
  /** Longest time that the answer to a session's write waits for the server to count us, milliseconds. */
  waitMs: number;
}

interface Room {
  readonly subscription: Upstreamed;
  readonly mark: number;
  /** Milliseconds since 1970. */
  seenAt: number;
  /** What the file says. */
  keptAt: number;
  /** What waits for the server to count us. */
  waiting: (() => void)[];
}

const DAY_MS = 24 * 3_600_000;
/** The file is told again that a user is there after this long. */
const KEEP_MS = 3_600_000;

export class LocalRooms {
  readonly #pool: Buffer;
  readonly #options: RoomOptions;
  readonly #subscriptions: RoomSubscriptions;
  readonly #log: Log;
  readonly #full: Counter;
  readonly #late: Counter;
  readonly #store: RoomStore | undefined;
  readonly #rooms = new Map<string, Room>();
  readonly #bySubscription = new Map<Upstreamed, Room>();
  /** How many rooms have each mark. */
  readonly #marks = new Map<number, number>();
  #sure: boolean;

  constructor(options: RoomOptions, subscriptions: RoomSubscriptions, log: Log, meter: Meter) {
    this.#options = options;
    this.#subscriptions = subscriptions;
    this.#log = log;
    this.#pool = Buffer.from(`${options.keyPrefix}:session_pool`);
    this.#full = meter.counter("keyframe_limit_hits_total", { limit: "rooms" });
    this.#late = meter.counter("keyframe_limit_hits_total", { limit: "roomWaitMs" });
    this.#store = options.stateDir === undefined || options.count === 0 ? undefined : new RoomStore(options.stateDir);
    this.#sure = this.#store !== undefined;
    meter.gauge("keyframe_rooms", () => this.#rooms.size);
    meter.gauge("keyframe_rooms_known", () => Number(this.known));
  }

  /** Whether frames for rooms without a mark here may be passed over. */
  get known(): boolean {
    return this.#sure && this.#rooms.size > 0;
  }

  /** Reads what an earlier process has kept. Call it once, before apps connect. */
  load(): void {
    if (this.#store === undefined) return;
    try {
      for (const [id, at] of this.#store.load(Date.now() - DAY_MS)) this.#add(id, at, at);
    } catch (error) {
      this.#unsure("the users of this pod cannot be read", error);
    }
    this.#tell();
  }

  /** False: nobody in this pod is in a room of that mark. */
  needs(mark: number): boolean {
    return mark === 0 || !this.known || this.#marks.has(mark);
  }

  /** True where a write to that key is a session's, and something follows from it. */
  watches(key: Buffer): boolean {
    return this.#sure && key.equals(this.#pool);
  }

  /** True where the beginning of a request holds that key. */
  mentioned(beginning: Buffer): boolean {
    return this.#sure && beginning.includes(this.#pool);
  }

  /**
   * The app writes a session, which it takes for granted once it is answered.
   * @param user the value: JSON with the user's `id`
   * @param then called once the server counts us for that user's room, at the latest after the longest wait
   * @returns false: `then` will not be called, there is nothing to wait for
   */
  session(user: Buffer, then: () => void): boolean {
    const id = idOf(user);
    if (id === undefined) {
      this.#unsure("a session without a user's id");
      return false;
    }
    const now = Date.now();
    let room = this.#rooms.get(id);
    if (room === undefined) {
      if (this.#rooms.size >= this.#options.count) {
        this.#full.inc();
        this.#unsure("more users than KEYFRAME_ROOMS");
        return false;
      }
      room = this.#add(id, now, 0);
    }
    room.seenAt = now;
    if (now - room.keptAt > KEEP_MS) this.#keep(id, room, now);
    this.#tell();
    return this.known && this.#wait(room, then);
  }

  /** The server counts us for a room, or refuses to. */
  settled(subscription: Upstreamed): void {
    if (subscription.state === "denied") this.#unsure(`the server refuses a room: ${subscription.error}`);
    for (const done of this.#bySubscription.get(subscription)?.waiting ?? []) done();
  }

  /** A session was written where its answer cannot be held. */
  unseen(): void {
    this.#unsure("a session written on a connection that is passed through");
  }

  /** Forgets users of whom nothing has been heard for a day. Call it every minute or so. */
  sweep(): void {
    const since = Date.now() - DAY_MS;
    for (const [id, room] of this.#rooms) {
      if (room.seenAt >= since) continue;
      this.#rooms.delete(id);
      const others = this.#marks.get(room.mark)! - 1;
      if (others === 0) this.#marks.delete(room.mark);
      else this.#marks.set(room.mark, others);
      this.#bySubscription.delete(room.subscription);
      this.#subscriptions.drop(room.subscription);
    }
    this.#tell();
  }

  #add(id: string, seenAt: number, keptAt: number): Room {
    const name = userRoom(id);
    const subscription = this.#subscriptions.want("room", presenceChannel(name));
    const room: Room = { subscription, mark: markOf(name), seenAt, keptAt, waiting: [] };
    this.#rooms.set(id, room);
    this.#bySubscription.set(subscription, room);
    this.#marks.set(room.mark, (this.#marks.get(room.mark) ?? 0) + 1);
    return room;
  }

  #wait(room: Room, then: () => void): boolean {
    if (room.subscription.state !== "pending" || !this.#subscriptions.shared) return false;
    const done = (): void => {
      clearTimeout(timer);
      room.waiting = room.waiting.filter((other) => other !== done);
      then();
    };
    const timer = setTimeout(() => {
      this.#late.inc();
      done();
    }, this.#options.waitMs);
    room.waiting.push(done);
    return true;
  }

  #keep(id: string, room: Room, now: number): void {
    if (!this.#sure) return;
    try {
      this.#store!.add(id, now);
      room.keptAt = now;
      if (!this.#store!.overgrown(this.#rooms.size)) return;
      this.#store!.write(new Map([...this.#rooms].map(([user, { seenAt }]) => [user, seenAt])));
    } catch (error) {
      this.#unsure("the users of this pod cannot be kept", error);
    }
  }

  #tell(): void {
    this.#subscriptions.knowsRooms(this.known);
  }

  #unsure(reason: string, error?: unknown): void {
    if (!this.#sure) return;
    this.#sure = false;
    this.#tell();
    try {
      this.#store!.spoil();
    } catch {
      // Then it cannot be written at the next start either, which is as good.
    }
    const why = error === undefined ? reason : `${reason}: ${(error as Error).message}`;
    this.#log.warn("rooms-unknown", {
      reason: why,
      consequence: "frames for all users are taken, until the pod is replaced",
    });
  }
}

function idOf(user: Buffer): string | undefined {
  try {
    const id = (JSON.parse(user.toString()) as { id?: unknown } | null)?.id;
    return typeof id === "string" && id !== "" ? id : undefined;
  } catch {
    return undefined;
  }
}
