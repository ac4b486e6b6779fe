/**
 * Names a frame: asks each dialect whether it knows the payload. Stands at the sending end of the frame plane, right
 * behind the RESP decoder; the receiving end never looks into a payload.
 */
import { nameNodeMsgpack } from "./node-msgpack.js";
import { type Dialect, type FrameName, nameOf, Parts } from "./parts.js";
import { namePythonJson } from "./python-json.js";
import { namePythonPickle } from "./python-pickle.js";

export type { Dialect, FrameName } from "./parts.js";

/** @returns an empty name, for the caller to keep and hand to {@link nameFrame} */
export function newFrameName(): FrameName {
  return {
    dialect: "python-json",
    stream: 0,
    emitter: 0,
    chat: 0,
    cumulative: false,
    barrier: false,
    done: false,
    roomAt: 0,
    roomEnd: 0,
  };
}

const parts = new Parts();

/**
 * Reads the name of a frame, from a bounded number of its bytes: no string, no allocation, never throws.
 *
 * What cannot be read with certainty is left out: `chat` 0, `emitter` 0, `cumulative` false; `barrier` true if it is not
 * certain that the frame wants no answer. A `callback` message has emitter 0, since its `host_id` is its addressee.
 *
 * @param channel the frame's channel; not modified, not kept
 * @param payload the frame, whole; not modified, not kept
 * @param out     is filled; after a refusal all its numbers are 0 and all its flags false
 * @returns false: no dialect recognises the payload
 */
export function nameFrame(channel: Buffer, payload: Buffer, out: FrameName): boolean {
  let dialect: Dialect;
  let known: boolean;
  switch (payload[0]) {
    case 0x7b: // {
      dialect = "python-json";
      known = namePythonJson(payload, parts);
      break;
    case 0x80: // pickle's PROTO; as msgpack it would be an empty map
      dialect = "python-pickle";
      known = namePythonPickle(payload, parts);
      break;
    case 0x93: // an array of three
      dialect = "node-msgpack";
      known = nameNodeMsgpack(payload, parts);
      break;
    default:
      dialect = "python-json";
      known = false;
  }
  if (known) {
    nameOf(dialect, channel, payload, parts, out);
    return true;
  }
  out.stream = 0;
  out.emitter = 0;
  out.chat = 0;
  out.cumulative = false;
  out.barrier = false;
  out.done = false;
  out.roomAt = 0;
  out.roomEnd = 0;
  return false;
}
