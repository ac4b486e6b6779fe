/**
 * A map keyed by bytes (channel names), for places where a string per look-up would be paid on every frame.
 * The key's bytes are copied on insertion, so a caller may pass a view of a socket's chunk.
 */

interface Entry<V> {
  readonly key: Buffer;
  value: V;
  next: Entry<V> | undefined;
}

/** FNV-1a, 32 bits. Not for adversaries: a chain of colliding keys costs time, never correctness. */
export function hashBytes(bytes: Buffer): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

export class BufferMap<V> {
  readonly #buckets = new Map<number, Entry<V>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: Buffer): V | undefined {
    let entry = this.#buckets.get(hashBytes(key));
    while (entry !== undefined) {
      if (entry.key.equals(key)) return entry.value;
      entry = entry.next;
    }
    return undefined;
  }

  has(key: Buffer): boolean {
    return this.get(key) !== undefined;
  }

  set(key: Buffer, value: V): void {
    const hash = hashBytes(key);
    const head = this.#buckets.get(hash);
    for (let entry = head; entry !== undefined; entry = entry.next) {
      if (entry.key.equals(key)) {
        entry.value = value;
        return;
      }
    }
    this.#buckets.set(hash, { key: Buffer.from(key), value, next: head });
    this.#size++;
  }

  delete(key: Buffer): boolean {
    const hash = hashBytes(key);
    let before: Entry<V> | undefined;
    for (let entry = this.#buckets.get(hash); entry !== undefined; before = entry, entry = entry.next) {
      if (!entry.key.equals(key)) continue;
      if (before !== undefined) before.next = entry.next;
      else if (entry.next !== undefined) this.#buckets.set(hash, entry.next);
      else this.#buckets.delete(hash);
      this.#size--;
      return true;
    }
    return false;
  }

  clear(): void {
    this.#buckets.clear();
    this.#size = 0;
  }

  *values(): IterableIterator<V> {
    for (const head of this.#buckets.values()) {
      for (let entry: Entry<V> | undefined = head; entry !== undefined; entry = entry.next) yield entry.value;
    }
  }
}
