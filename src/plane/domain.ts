/**
 * Order domains. Frames of one domain reach an app in the order in which they were published, whatever
 * happens to their streams; frames of different domains may overtake each other while one waits for a keyframe.
 *
 * A domain is (emitter, chat). It travels as an 8-bit tag in every record: four bits of the emitter's hash and four
 * of the chat's, so that a receiver knows the domain of a frame that it cannot rebuild yet. Two domains that
 * happen to share a tag only wait for each other; nothing else depends on the tag.
 */

/** High four bits: emitter, 0 = unknown. Low four bits: chat, 0 = a barrier for its emitter. */
export type DomainTag = number;

/** Conflicts with every other domain: what a frame gets when no dialect recognises it. */
export const ANY_DOMAIN: DomainTag = 0;

/**
 * @param emitter 32-bit hash of the emitter's id, 0 when unknown
 * @param chat 32-bit hash of the chat's id, 0 when unknown or when the frame is a barrier
 */
export function domainTag(emitter: number, chat: number): DomainTag {
  if (emitter === 0) return ANY_DOMAIN;
  const high = 1 + (emitter % 15);
  const low = chat === 0 ? 0 : 1 + (chat % 15);
  return (high << 4) | low;
}

/** True for a frame that concerns all chats of its emitter, or whose chat is unknown. */
export function isBarrier(tag: DomainTag): boolean {
  return (tag & 0x0f) === 0;
}

/** True where one of the two must wait for the other. */
export function conflicts(a: DomainTag, b: DomainTag): boolean {
  if (a >> 4 === 0 || b >> 4 === 0) return true;
  if (a >> 4 !== b >> 4) return false;
  return a === b || isBarrier(a) || isBarrier(b);
}

/** A multiset of tags that answers "does anything in here conflict?" in constant time. */
export class DomainSet {
  readonly #exact = new Map<DomainTag, number>();
  readonly #emitters = new Uint32Array(16);
  #total = 0;

  get size(): number {
    return this.#total;
  }

  add(tag: DomainTag): void {
    this.#exact.set(tag, (this.#exact.get(tag) ?? 0) + 1);
    this.#emitters[tag >> 4]!++;
    this.#total++;
  }

  delete(tag: DomainTag): void {
    const count = this.#exact.get(tag);
    if (count === undefined) return;
    if (count === 1) this.#exact.delete(tag);
    else this.#exact.set(tag, count - 1);
    this.#emitters[tag >> 4]!--;
    this.#total--;
  }

  conflicts(tag: DomainTag): boolean {
    if (this.#total === 0) return false;
    const emitter = tag >> 4;
    if (emitter === 0 || this.#emitters[0] !== 0) return true;
    if (this.#emitters[emitter] === 0) return false;
    return isBarrier(tag) || this.#exact.has(tag) || this.#exact.has(emitter << 4);
  }

  clear(): void {
    this.#exact.clear();
    this.#emitters.fill(0);
    this.#total = 0;
  }
}
