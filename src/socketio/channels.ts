/**
 * Names of channels: which carry frames, which are ours. Stands at the fork of the data's way, where a PUBLISH or a
 * SUBSCRIBE is either taken into the frame plane or passed through.
 */
import { globMatch, literalPrefix, mayMatchPrefix } from "./glob.js";

export { globMatch };

/**
 * Side channel of channel C: this, then C. A prefix, not a suffix: an app that subscribes `socketio#*` must never be
 * handed our bytes, whatever a room is called.
 */
export const SIDE_PREFIX = "~kf1~";
/** Begins every name that is ours, of this and any later protocol version. */
export const RESERVED_PREFIX = "~kf";

/** The channels that carry frames unless configured otherwise: python-socketio's (all releases), Node's redis-adapter's. */
export const DEFAULT_CHANNELS: readonly string[] = ["socketio", "socketio#*", "socket.io#*"];

const side = Buffer.from(SIDE_PREFIX);
const reserved = Buffer.from(RESERVED_PREFIX);
const inboxTail = Buffer.from("in~");
const presence = Buffer.from(`${SIDE_PREFIX}to~`);
const presenceTail = Buffer.from("to~");

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  const length = prefix.length;
  if (bytes.length < length) return false;
  for (let i = 0; i < length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** Decides which channels carry frames. Entries are exact names, or prefixes written with one `*` at the end. */
export class FrameChannels {
  readonly #exact: Buffer[] = [];
  readonly #prefixes: Buffer[] = [];

  constructor(list: readonly string[]) {
    for (const entry of list) {
      if (entry.endsWith("*")) this.#prefixes.push(Buffer.from(entry.slice(0, -1)));
      else this.#exact.push(Buffer.from(entry));
    }
  }

  /** @returns whether `channel` carries frames. Our own channels never do, even under the entry `*`. */
  matches(channel: Buffer): boolean {
    const exact = this.#exact;
    const prefixes = this.#prefixes;
    let hit = false;
    for (let i = 0; i < exact.length && !hit; i++) {
      hit = exact[i]!.length === channel.length && startsWith(channel, exact[i]!);
    }
    for (let i = 0; i < prefixes.length && !hit; i++) hit = startsWith(channel, prefixes[i]!);
    return hit && !startsWith(channel, reserved);
  }

  /**
   * @returns whether the glob can match frame channels only, so that the local broker alone can serve it: what it begins
   *          with lies under a prefix entry, or it names one frame channel
   */
  servesPattern(pattern: Buffer): boolean {
    const { prefix, whole } = literalPrefix(pattern);
    if (whole) return this.matches(prefix);
    if (mayMatchPrefix(pattern, reserved)) return false;
    return this.#prefixes.some((entry) => startsWith(prefix, entry));
  }
}

/** @returns the side channel of `base`, in memory of its own */
export function sideChannel(base: Buffer): Buffer {
  return Buffer.concat([side, base]);
}

/**
 * @returns the channel on which nothing is ever said, whose subscribers are the sidecars of pods with somebody in that room;
 *          without a room: the sidecars that are counted in this way, and need no frames for other rooms
 */
export function presenceChannel(room: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([presence, room]);
}

/** @returns the frame channel that `channel` is the side channel of (a view), or null (not ours, or none of frames) */
export function baseOf(channel: Buffer): Buffer | null {
  if (!startsWith(channel, side)) return null;
  const base = channel.subarray(side.length);
  return startsWith(base, inboxTail) || startsWith(base, presenceTail) ? null : base;
}

/** @returns whether apps may not use this channel */
export function isReserved(channel: Buffer): boolean {
  return startsWith(channel, reserved);
}

/** @returns whether the glob could match one of our channels (true may be too careful, false is certain) */
export function patternMayMatchReserved(pattern: Buffer): boolean {
  return mayMatchPrefix(pattern, reserved);
}
