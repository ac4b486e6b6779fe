/**
 * Where large frames meet the rest of the sending half: what a transfer's progress means for the queue, for those who are
 * answered or counted, and for the apps of this pod.
 */
import type { Clock, Log, Meter } from "../core/ports.js";
import type { Reply } from "../resp/reply-decoder.js";
import type { Hearing } from "./hearing.js";
import type { OutboundFrame } from "./outbound.js";
import type { OutboundQueue } from "./queue.js";
import { type TransferLimits, Transfers } from "./transfers.js";
import type { SentMessage, Verdicts } from "./verdicts.js";

export interface LargeOwner {
  readonly epoch: number;
  readonly queue: OutboundQueue;
  readonly verdicts: Verdicts;
  readonly hearing: Hearing;
  publish(channel: Buffer, message: Buffer, answered: (reply: Reply) => void): void;
  wake(): void;
}

export class LargeFrames {
  readonly transfers: Transfers;
  readonly #owner: LargeOwner;

  constructor(limits: TransferLimits, owner: LargeOwner, clock: Clock, log: Log, meter: Meter) {
    const { epoch, hearing } = owner;
    this.#owner = owner;
    this.transfers = new Transfers(
      limits,
      {
        epoch,
        hearing,
        publish: (channel, message, answered) => owner.publish(channel, message, answered),
        published: () => owner.queue.transferring(undefined),
        broken: () => {
          owner.verdicts.lost("upstream_lost", 1);
          owner.queue.transferring(undefined);
        },
        unheard: () => {
          const frame = this.lost();
          if (frame !== undefined) owner.queue.putBack(frame);
          owner.wake();
        },
        wake: () => owner.wake(),
      },
      clock,
      log,
      meter,
    );
  }

  /** A batch has been answered: where it held an opening, the chunks follow, or not. */
  answered(sent: readonly SentMessage[], statuses: readonly Reply[]): void {
    if (!this.transfers.busy) return;
    const at = sent.findIndex(({ kind }) => kind === "opening");
    if (at < 0) return;
    const status = statuses[at];
    if (typeof status !== "number" || status < 0) {
      this.transfers.refused();
      return;
    }
    this.#owner.queue.transferring(this.transfers.frame);
    this.transfers.opened();
  }

  /**
   * The connection is gone, or nobody can be heard.
   * @returns the frame that must be sent again
   */
  lost(): OutboundFrame | undefined {
    const lost = this.transfers.lost();
    this.#owner.queue.transferring(undefined);
    if (lost === undefined) return undefined;
    lost.frame.doubtful ||= lost.doubtful;
    return lost.frame;
  }
}
