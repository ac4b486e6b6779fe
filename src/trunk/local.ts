/**
 * Local delivery: apps of this pod hear its own frames without the server, in the order of publishing.
 *
 *   PUBLISH ─▶ [queue] ─▶ server ─▶ other pods
 *        └─▶ local ─▶ rebuild's holds ─▶ broker ─▶ apps of this pod
 *
 * A frame is heard here as soon as its PUBLISH is taken, so a failover or a slow server does not part the workers of
 * a pod. Only where the PUBLISH itself waits for the server's word (the first frame on a channel may be refused by an ACL,
 * a large one by a limit) does it wait as well, and whatever conflicts with its domain waits behind it.
 *
 * What comes back from the server has been heard. A record says by its head that it is ours; a raw frame is announced in
 * our inbox (announced.ts). Where the server refuses us an inbox, nothing is heard before it comes back.
 */
import { crc32 } from "../frame/checksum.js";
import { DomainSet, type DomainTag } from "../plane/domain.js";
import type { Announced } from "./announced.js";
import type { Hearing } from "./hearing.js";
import type { OutboundFrame } from "./outbound.js";

const NO_BYTES = Buffer.alloc(0);

export class LocalDelivery {
  /** Frames that wait for the server's word. */
  readonly #waiting = new DomainSet();
  readonly #oneEmitter: boolean;
  readonly #announced: Announced;
  readonly #hearing: Hearing;
  readonly #deliver: (channel: Buffer, tag: DomainTag, payload: Buffer) => void;

  /**
   * @param oneEmitter the operator's word that one worker is all that publishes here: it drops its own frames (by their
   *   `host_id`) after reading them whole, so it is spared them. Not those that it may not drop: an answer to a call names
   *   its addressee instead, and what no dialect knows may mean anything
   */
  constructor(
    oneEmitter: boolean,
    announced: Announced,
    hearing: Hearing,
    deliver: (channel: Buffer, tag: DomainTag, payload: Buffer) => void,
  ) {
    this.#oneEmitter = oneEmitter;
    this.#announced = announced;
    this.#hearing = hearing;
    this.#deliver = deliver;
  }

  /** A frame has been queued, and its PUBLISH answered where it need not wait. */
  queued(frame: OutboundFrame): void {
    if (this.#oneEmitter && frame.droppable) {
      frame.here = "heard";
    } else if (this.#hearing.hopeful) {
      if (frame.settle !== undefined || this.#waiting.conflicts(frame.tag)) this.#wait(frame);
      else this.#hear(frame);
    }
  }

  /** A frame leaves in a batch. @returns for a raw one that will come back: the word for our inbox that precedes it */
  leaving(frame: OutboundFrame, kind: "side" | "opening" | "raw" | "silent"): Buffer {
    if (kind !== "raw") {
      // It does not come back as anything that would be delivered.
      if (frame.here === "back") this.#wait(frame);
      return NO_BYTES;
    }
    const { channel, payload } = frame;
    if (frame.here === "back" || !this.#hearing.wants(channel.name)) return NO_BYTES;
    if (this.#hearing.hopeful) return this.#announced.add(this.#hearing.connection, channel.name, payload);
    if (frame.here === "waits") this.#leave(frame, "back");
    else this.#hearing.expectOwn({ channel: channel.name, crc: crc32(payload), bytes: payload.length });
    return NO_BYTES;
  }

  /** The server has published it, or would have for anybody who listened. */
  sent(frame: OutboundFrame): void {
    if (frame.here !== "waits") return;
    this.#leave(frame, "heard");
    this.#hear(frame);
  }

  /** It will not be published: who has not heard it never will. */
  ended(frame: OutboundFrame): void {
    if (frame.here === "waits") this.#leave(frame, "heard");
  }

  #hear(frame: OutboundFrame): void {
    frame.here = "heard";
    if (this.#hearing.needs(frame.mark)) this.#deliver(frame.channel.name, frame.tag, frame.payload);
  }

  #wait(frame: OutboundFrame): void {
    frame.here = "waits";
    this.#waiting.add(frame.tag);
  }

  #leave(frame: OutboundFrame, here: "heard" | "back"): void {
    frame.here = here;
    this.#waiting.delete(frame.tag);
  }
}
