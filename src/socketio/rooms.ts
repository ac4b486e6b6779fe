/**
 * Rooms of single users, as Open WebUI's releases up to 0.11.4 name them on the channel that everybody hears. A pod needs
 * a frame for such a room only where that user has a session there.
 */
/** The shared channel of python-socketio, where rooms are told apart by every reader. */
export const SHARED_CHANNEL = Buffer.from("socketio");

const USER = Buffer.from("user:");
const BACKSLASH = 0x5c;

/** @returns the room of a user, as frames name it */
export function userRoom(id: string): Buffer {
  return Buffer.from(`user:${id}`);
}

/**
 * @returns whether `bytes[start, end)`, the inside of a JSON string, names one user's room as {@link userRoom} does: with
 *          an escape in it, the two could be written differently
 */
export function isUserRoom(bytes: Buffer, start: number, end: number): boolean {
  if (end - start <= USER.length) return false;
  for (let i = 0; i < USER.length; i++) if (bytes[start + i] !== USER[i]) return false;
  for (let i = start + USER.length; i < end; i++) if (bytes[i] === BACKSLASH) return false;
  return true;
}
