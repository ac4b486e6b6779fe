/** What an Open WebUI up to 0.11.4 does with its session pool, and where its sidecar keeps what it has seen of it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RespClient } from "./resp-client.js";

const POOL = "open-webui:session_pool";

/** The directory of a pod that outlives its sidecar. */
export interface StateDir {
  path: string;
  /** KEYFRAME_* for a sidecar that uses it. */
  env: Record<string, string>;
  remove(): void;
}

export function stateDir(): StateDir {
  const path = mkdtempSync(join(tmpdir(), "keyframe-state-"));
  return {
    path,
    env: { KEYFRAME_STATE_DIR: path },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** A client of the user has connected: the app writes its session, and puts it into the user's room once that is answered. */
export async function connected(app: RespClient, user: string, sid = `sid-${user}`): Promise<void> {
  const session = JSON.stringify({ id: user, email: `${user}@example.org`, role: "user", last_seen_at: 1_700_000_000 });
  const answer = await app.command("HSET", POOL, sid, session);
  assert.ok(answer === 0 || answer === 1, `HSET answered ${answer}`);
}

/** The session's end, as its app or another pod's reaper writes it. */
export async function reaped(app: RespClient, user: string, sid = `sid-${user}`): Promise<void> {
  await app.command("HDEL", POOL, sid);
}
