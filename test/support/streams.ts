/** Made frames for scenario tests, and what a subscriber's messages say. */
import { makeAnswer, type Shape } from "../../bench/generate.js";
import { plain, RespClient, type RespValue } from "./resp-client.js";

export interface Frame {
  channel: Buffer;
  payload: Buffer;
}

export function answer(shape: Shape, tokens: number, seed: number): Frame[] {
  return makeAnswer({ shape, tokens, seed });
}

/** A subscriber of one frame channel (or pattern), acknowledged. */
export async function listen(port: number, name: string | Buffer = "socketio", pattern = false): Promise<RespClient> {
  const client = await RespClient.connect({ port, deadlineMs: 20_000 });
  await client.command(pattern ? "PSUBSCRIBE" : "SUBSCRIBE", name);
  return client;
}

/** Payload of a `message` or `pmessage`, the last element of both. */
export function payloadOf(value: RespValue): Buffer {
  if (!Array.isArray(value) || !/^p?message$/.test(String(plain(value[0] ?? null)))) {
    throw new Error(`not a message: ${JSON.stringify(plain(value))}`);
  }
  return value.at(-1) as Buffer;
}

/** The next `count` payloads that a subscriber hears. */
export async function hear(client: RespClient, count: number): Promise<Buffer[]> {
  return (await client.take(count)).map(payloadOf);
}

/** Publishes all frames over one connection in one write, and waits for their replies. */
export async function publishAll(client: RespClient, frames: readonly Frame[]): Promise<RespValue[]> {
  for (const { channel, payload } of frames) client.request("PUBLISH", channel, payload);
  return client.take(frames.length, 20_000);
}
