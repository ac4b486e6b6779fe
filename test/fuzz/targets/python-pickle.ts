/**
 * The pickle dialect: no bytes upset it, and where a naive reader can read the payload, its name claims nothing that the
 * message does not say. The bytes begin as a pickle does, so that the fuzzer need not find that out.
 */
import { checkName, confirm } from "../names.js";
import { unpickle } from "../unpickle.js";

export function fuzz(data: Buffer): void {
  const payload = Buffer.concat([Buffer.from([0x80]), data]);
  const name = checkName(payload, "python-pickle");
  if (name === undefined) return;
  const message = unpickle(payload);
  if (message !== undefined) confirm(name, message);
}
