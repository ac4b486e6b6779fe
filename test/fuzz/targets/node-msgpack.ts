/** The msgpack dialect of Node's adapter: no bytes upset it. They begin as its messages do. */
import assert from "node:assert/strict";
import { checkName } from "../names.js";

export function fuzz(data: Buffer): void {
  const name = checkName(Buffer.concat([Buffer.from([0x93]), data]), "node-msgpack");
  if (name !== undefined) assert.ok(!name.cumulative, "what an app's events mean is not known");
}
