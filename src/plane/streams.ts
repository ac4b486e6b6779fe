/**
 * The table of streams that one side keeps: bounded by count, by bytes and by idle time, least recently used first.
 * Evicting a stream is always safe: its next frame costs a keyframe, never a wrong byte.
 */

export interface StreamLimits {
  /** Most streams kept. */
  count: number;
  /** Most bytes of kept bases, over all streams. */
  bytes: number;
  /** A stream unused for this long is dropped, milliseconds. */
  idleMs: number;
}

export interface StreamEntry {
  /** Bytes of the bases this stream keeps. */
  bytes: number;
  /** When it was used last, Clock milliseconds. */
  usedAt: number;
}

export type EvictionReason = "idle" | "count" | "bytes";

/** Within this time a stream is not moved to the young end again: moving costs more than the precision is worth. */
const TOUCH_MS = 100;

export class StreamTable<K, V extends StreamEntry> {
  // A Map iterates in insertion order: its front is the least recently used end.
  readonly #entries = new Map<K, V>();
  readonly #limits: StreamLimits;
  readonly #onEvict: (key: K, entry: V, reason: EvictionReason) => void;
  #bytes = 0;

  readonly #inUse: (entry: V) => boolean;

  /** @param inUse entries that must stay, whatever the budget says; they must be few and short-lived */
  constructor(
    limits: StreamLimits,
    onEvict: (key: K, entry: V, reason: EvictionReason) => void,
    inUse: (entry: V) => boolean = () => false,
  ) {
    this.#limits = limits;
    this.#onEvict = onEvict;
    this.#inUse = inUse;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  /** Marks the stream as just used. */
  touch(key: K, entry: V, now: number): void {
    if (now - entry.usedAt < TOUCH_MS) return;
    entry.usedAt = now;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  add(key: K, entry: V): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    while (this.#entries.size > this.#limits.count) if (!this.#evictOldest("count", key)) break;
  }

  /** Records that the stream now keeps `bytes` bytes, and evicts others where the budget asks for it. */
  resize(key: K, entry: V, bytes: number): void {
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    while (this.#bytes > this.#limits.bytes && this.#entries.size > 1) {
      if (!this.#evictOldest("bytes", key)) break;
    }
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    return true;
  }

  /** Drops what has been idle too long, and what is over the budget. Call it about once a second. */
  sweep(now: number): void {
    for (const [key, entry] of this.#entries) {
      if (now - entry.usedAt <= this.#limits.idleMs) break;
      if (!this.#inUse(entry)) this.#remove(key, entry, "idle");
    }
    // What had to stay beyond the budget because it was in use: nothing else would evict it before the next stream comes.
    while (this.#entries.size > this.#limits.count) if (!this.#evictOldest("count")) break;
    while (this.#bytes > this.#limits.bytes && this.#entries.size > 1) if (!this.#evictOldest("bytes")) break;
  }

  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  /** Evicts the least recently used stream other than `keep`. */
  #evictOldest(reason: EvictionReason, keep?: K): boolean {
    for (const [key, entry] of this.#entries) {
      if (key === keep || this.#inUse(entry)) continue;
      this.#remove(key, entry, reason);
      return true;
    }
    return false;
  }

  #remove(key: K, entry: V, reason: EvictionReason): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    this.#onEvict(key, entry, reason);
  }
}
