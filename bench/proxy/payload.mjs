// The frame that the PUBLISH cases send: 2,048 bytes in the shape of a python-socketio JSON emit. redis-benchmark puts
// a fresh number of 12 digits in place of `__rand_int__` (which has 12 characters too), so that no two frames are equal.
// It is no cumulative frame: nothing may be left out, every single one has to be carried.

export const CHANNEL = "socketio";
export const PAYLOAD_BYTES = 2048;

/** @returns {string} exactly PAYLOAD_BYTES ASCII characters */
export function framePayload() {
  const room = "user:0b7a5d9c-51f4-4b1e-9a35-6c0de1f2a310";
  const build = (text) =>
    `{"method": "emit", "event": "events", "data": [{"chat_id": "5f9d8c1e-3b70-4c1b-8f0e-2a7790d1c412", ` +
    `"message_id": "c3d2b1a0-9e8f-47d6-b5c4-a3928170f6e5", "data": {"type": "response:completion", "data": ` +
    `{"type": "response.output_text.delta", "sequence_number": "__rand_int__", "delta": "${text}"}}}], ` +
    `"binary": false, "namespace": "/", "room": "${room}", "skip_sid": null, "callback": null, ` +
    `"host_id": "9f86d081884c7d659a2feaa0c55ad015"}`;
  const words = "a proxy that carries many small answers must not be slower than the server it stands before ";
  const left = PAYLOAD_BYTES - build("").length;
  return build(words.repeat(Math.ceil(left / words.length)).slice(0, left));
}
