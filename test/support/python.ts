/** The Python environments that test/setup/python.mjs prepares for real python-socketio and redis-py peers. */
import { existsSync } from "node:fs";
import { inRoot } from "./root.js";

export const pythonVenvs = ["py-5.13-redis5", "py-5.16-redis7", "py-new-redis8"] as const;
export type PythonVenv = (typeof pythonVenvs)[number];

/** Path of a venv's interpreter. Throws, with what to run, when the venv was not prepared. */
export function python(name: PythonVenv): string {
  const path = inRoot(".cache", "venvs", name, "bin", "python");
  if (!existsSync(path)) throw new Error(`${name} is not prepared: run node test/setup/all.mjs --for test`);
  return path;
}

/** The same without throwing: undefined when the venv was not prepared. */
export function pythonIfPrepared(name: PythonVenv): string | undefined {
  const path = inRoot(".cache", "venvs", name, "bin", "python");
  return existsSync(path) ? path : undefined;
}
