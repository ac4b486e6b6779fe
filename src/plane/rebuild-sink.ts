/** What the rebuilder is told, and whom it tells: its limits, where frames go, and what is counted on the way. */
import type { EvictionReason, StreamLimits } from "./streams.js";

export type ResyncReason = "unknown_instance" | "missing_base" | "gap" | "checksum" | "malformed" | "version";
export type UndeliveredReason = "hold_timeout" | "hold_full" | "superseded" | "gone" | "gap" | "damaged";
/** Which local subscribers a frame is for: all that match, those of the exact channel, or those of one pattern. */
export type Route = "all" | "exact" | Buffer;
/** How a frame reached this pod; "local": it was published here. */
export type DeliveredKind = "keyframe" | "delta" | "raw" | "local";

/** Where rebuilt frames and questions to senders go, and what is counted on the way. */
export interface RebuildSink {
  deliver(channel: Buffer, payload: Buffer, kind: DeliveredKind, route: Route): void;
  /** False: nobody in this pod is in the room of that mark. */
  needs(mark: number): boolean;
  /** Ask the sender's inbox for the base of (instance, seq). */
  ask(epoch: number, connection: number, instance: number, seq: number): void;
  resync(reason: ResyncReason): void;
  undelivered(reason: UndeliveredReason, frames: number): void;
  repeat(): void;
  /** A frame for a room that nobody here is in has been passed over. */
  skipped(): void;
  /** False: our own encoder never made record (instance, seq). */
  made(instance: number, seq: number): boolean;
  /** Somebody else sends under our epoch: frames are being lost, and only another epoch helps. */
  impostor(): void;
  repaired(): void;
  evicted(reason: EvictionReason): void;
}

export interface RebuildLimits extends StreamLimits {
  /** Longest time a frame waits for its base, milliseconds. */
  holdMs: number;
  /** Most bytes held. */
  holdBytes: number;
  /** Largest payload, bytes. */
  maxPayloadBytes: number;
  /** A sender is not asked again for the same stream within this time, milliseconds. */
  askMs: number;
}
