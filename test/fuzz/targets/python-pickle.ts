/** The pickle dialect: no bytes upset it. They begin as a pickle does, so that the fuzzer need not find that out. */
import { checkName } from "../names.js";

export function fuzz(data: Buffer): void {
  checkName(Buffer.concat([Buffer.from([0x80]), data]), "python-pickle");
}
