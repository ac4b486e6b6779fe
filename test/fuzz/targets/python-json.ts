/**
 * The JSON dialect: no bytes upset it, and where the payload is JSON as python-socketio writes it, its name claims nothing
 * that a full parse does not confirm.
 */
import { checkName, confirm } from "../names.js";
import type { Plain } from "../unpickle.js";

/** As json.dumps writes it, or as orjson does. A payload equal to one of these has no key twice and no odd blanks. */
function dumped(value: Plain, comma: string, colon: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => dumped(item, comma, colon)).join(comma)}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}${colon}${dumped(item, comma, colon)}`,
    );
    return `{${members.join(comma)}}`;
  }
  return JSON.stringify(value);
}

function ascii(text: string): string {
  return text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function canonical(payload: Buffer): { [key: string]: Plain } | undefined {
  const text = payload.toString();
  let value: Plain;
  try {
    value = JSON.parse(text) as Plain;
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const compact = dumped(value, ",", ":");
  const spaced = dumped(value, ", ", ": ");
  return text === compact || text === spaced || text === ascii(spaced) ? value : undefined;
}

export function fuzz(data: Buffer): void {
  const payload = Buffer.concat([Buffer.from("{"), data]);
  const name = checkName(payload, "python-json");
  if (name === undefined) return;
  const message = canonical(payload);
  if (message !== undefined) confirm(name, message);
}
