/** A sender's incarnation: 32 random bits. Should two sidecars ever draw the same, the one that notices ends (rebuild.ts). */

export type Epoch = number & { readonly brand: "Epoch" };

/** @param random four random bytes */
export function epochFrom(random: Buffer): Epoch {
  return random.readUInt32BE(0) as Epoch;
}

export function epochHex(epoch: number): string {
  return epoch.toString(16).padStart(8, "0");
}

/**
 * The channel on which a sidecar hears what concerns it alone: of one of its connections, so that a count of its
 * listeners tells whether that very connection hears; or of whichever it has.
 */
export function inboxOf(epoch: number, connection?: number): Buffer {
  return Buffer.from(`~kf1~in~${epochHex(epoch)}${connection === undefined ? "" : `.${connection}`}`);
}
