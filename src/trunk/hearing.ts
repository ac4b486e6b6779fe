/** What the trunk's sending half must know of its receiving half. */
import type { Sent } from "../plane/echo.js";

export interface Hearing {
  /** The receiving connection's counter: the number of our inbox. */
  readonly connection: number;
  /** Our numbered inbox, while the server holds it for that connection. */
  readonly inbox: Buffer | undefined;
  /** False where waiting for the inbox is of no use. */
  readonly hopeful: boolean;
  /** Somebody in the pod listens to the channel, whether it is heard at this moment or not. */
  wants(channel: Buffer): boolean;
  /** True while what is published to the channel comes back to us. */
  hears(channel: Buffer): boolean;
  /** Gives the connection up and makes it anew. */
  reset(reason: string): void;
  /** A frame of our own that will not come back from the server: apps of this pod get it from here. */
  unheard(frame: Sent, payload: Buffer): void;
  /** A large frame of our own has come back from the server: `message` is what it began with. */
  cameBack(channel: Buffer, message: Buffer): void;
}
