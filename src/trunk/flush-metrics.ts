/** What a flush is measured by. */
import type { Histogram, Meter } from "../core/ports.js";

export interface FlushMetrics {
  readonly frames: Histogram;
  readonly bytes: Histogram;
  /** From reading a PUBLISH to writing its batch, seconds. */
  readonly latency: Histogram;
}

export function flushMetrics(meter: Meter): FlushMetrics {
  return {
    frames: meter.histogram("keyframe_flush_frames"),
    bytes: meter.histogram("keyframe_flush_bytes"),
    latency: meter.histogram("keyframe_added_latency_seconds"),
  };
}
