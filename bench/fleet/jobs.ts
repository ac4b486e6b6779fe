/** What the bench tells its publishing and listening processes, and what they say. */
import type { Shape } from "../generate.js";

export interface PublishJob {
  port: number;
  pod: number;
  shape: Shape;
  streams: number;
  /** Frames a second of each stream. Where an answer has ended, a new chat begins. */
  fps: number;
  /** Tokens of an answer, and with which of them streams may begin (shapes that grow). */
  tokens: number;
  from: number;
  /** The first answer of a stream begins anywhere, so that the sizes under way are those of all frames from the start. */
  anywhere: boolean;
  /** No pace: the next frame of a stream is due when the one before it has been answered. */
  closed?: boolean;
  /** When the first frame is due, a share of the time between two frames of a stream. */
  phase: number;
  /** For whom the streams are; by default each has a user of its own (see userOf). */
  users?: string[];
}

export interface PublishMark {
  at: number;
  offered: number;
  published: number;
  bytes: number;
  errors: number;
}

export interface PublishEnd extends PublishMark {
  backlog: number;
  /** Frames of the pod's first stream: answer's number × SAMPLE + payload length, and when they were written. */
  keys: number[];
  times: number[];
  /** Milliseconds, of all frames since the last mark before. */
  lateness: number[];
}

/** Longer than any payload that is timed. */
export const SAMPLE = 10_000_000;

export interface OpenRequest {
  group: string;
  port: number;
  connections: number;
  /** Names for each connection's one SUBSCRIBE. */
  names: string[];
  /** Where a timed chat's name begins in a payload; absent: nothing is timed. */
  chatAt?: number;
}

export interface Heard {
  messages: number;
  /** Connections that were closed by the other side since they were last mended. */
  dropped: number;
}

export interface Sightings {
  /** The publishing pod, the key as the publisher has it, and when it was seen. */
  pods: number[];
  keys: number[];
  times: number[];
}

export interface BrowseRequest {
  /** The worker's port for browsers. */
  port: number;
  /** One browser each. */
  users: string[];
}
