/** What the trunk's sending half must know of its receiving half. */
import type { OwnRaw } from "./announced.js";

export interface Hearing {
  /** The receiving connection's counter: the number of our inbox. */
  readonly connection: number;
  /** Our numbered inbox, while the server holds it for that connection. */
  readonly inbox: Buffer | undefined;
  /** False where waiting for the inbox is of no use. */
  readonly hopeful: boolean;
  /** Somebody in the pod listens to the channel, whether it is heard at this moment or not. */
  wants(channel: Buffer): boolean;
  /** The server holds our exact subscription of the channel: it counts us among its subscribers. */
  holds(channel: Buffer): boolean;
  /** The server counts us among the audience of a room, by the channel of its presence. */
  inRoom(presence: Buffer): boolean;
  /** False: nobody in this pod is in the room of that mark. */
  needs(mark: number): boolean;
  /** Gives the connection up and makes it anew. */
  reset(reason: string): void;
  /** A raw frame of our own is about to come back. */
  expectOwn(raw: OwnRaw): void;
}
