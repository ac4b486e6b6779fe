/**
 * A sidecar is not to be told from the server behind it: the same bytes go to a server directly and to a sidecar
 * before a second server of the same kind, and the answers are compared byte for byte. Each case runs twice, once with
 * every step in one write and once in pieces of three bytes. What may differ (numbers of connections) is masked, and
 * each mask is named in its case. `KEYFRAME_CASE=text` runs only the cases whose name holds the text.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import * as commands from "./transparent/commands.js";
import { type Case, play } from "./transparent/differential.js";
import { randomCases } from "./transparent/random.js";
import * as sessions from "./transparent/sessions.js";
import * as subscriptions from "./transparent/subscriptions.js";

const only = process.env.KEYFRAME_CASE ?? "";

interface Scene {
  direct: Server;
  behind: Server;
  sidecar: Sidecar;
}

function scene(password?: string): () => Scene {
  let built: Scene | undefined;
  before(async () => {
    const options = password === undefined ? {} : { password };
    const direct = await startServer(options);
    const behind = await startServer(options);
    // Without credentials of its own, so that what an app may do is what it can show itself.
    const sidecar = await startSidecar({ upstream: `redis://127.0.0.1:${behind.port}/0` });
    built = { direct, behind, sidecar };
    if (password === undefined) await sidecar.ready();
    else await sidecar.logged("upstream-down");
  });
  after(async () => {
    await built?.sidecar.stop();
    await built?.behind.stop();
    await built?.direct.stop();
  });
  return () => built as Scene;
}

/** Keys and scripts of the case before are gone, straight at the server. */
async function empty(server: Server): Promise<void> {
  const client = await RespClient.connect({ port: server.port });
  if (server.url.includes("secret")) await client.command("AUTH", "secret");
  assert.equal(await client.text("FLUSHALL"), "OK");
  assert.equal(await client.text("SCRIPT", "FLUSH", "SYNC"), "OK");
  await client.close();
}

function run(cases: Case[], at: () => Scene): void {
  for (const one of cases) {
    if (!one.name.includes(only)) continue;
    for (const [how, pieces] of [
      ["", Number.MAX_SAFE_INTEGER],
      [" (in pieces)", 3],
    ] as const) {
      // A few hundred kilobytes in pieces of three bytes would test patience only.
      const size = Math.max(...one.steps.map((step) => step.send.length));
      const step = size > 20_000 && pieces === 3 ? Math.ceil(size / 50) : pieces;
      test(one.name + how, { timeout: 60_000, ...(one.skip ? { skip: one.skip } : {}) }, async () => {
        const { direct, behind, sidecar } = at();
        await Promise.all([direct, behind].map(empty));
        const difference = await play(one, direct.port, sidecar.port, step).catch((error: unknown) => {
          throw new Error(`${String(error)}; the sidecar's last words:\n${sidecar.logs.slice(-5).join("\n")}`);
        });
        if (difference !== undefined) assert.fail(`${one.name}${how}\n${difference}`);
      });
    }
  }
}

/** Within a group one case comes after the other: they share its servers. */
function group(name: string, body: () => void): void {
  describe(name, { concurrency: 1 }, body);
}

// Each group has servers of its own, and a case waits much more than it works.
describe("the sidecar answers as the server does", { concurrency: 4 }, () => {
  group("data commands", () => run(commands.dataCases, scene()));
  group("inline requests", () => run(commands.inlineCases, scene()));
  group("protocol errors", () => run(commands.protocolErrorCases, scene()));
  group("refused commands", () => run(commands.refusedCases, scene()));
  group("transactions", () => run(commands.transactionCases, scene()));
  group("blocking commands", () => run(commands.blockingCases, scene()));
  group("scripts", () => run(commands.scriptCases, scene()));
  group("sessions", () => run(sessions.sessionCases, scene()));
  group("ends", () => run(sessions.endCases, scene()));
  group("replies switched off", () => run(sessions.replyCases, scene()));
  group("acknowledgements of subscriptions", () => run(subscriptions.ackCases, scene()));
  group("modes", () => run(subscriptions.modeCases, scene()));
  group("messages", () => run(subscriptions.messageCases, scene()));
  group("random conversations", () => run(randomCases(1, 12), scene()));
  group("more random conversations", () => run(randomCases(101, 12), scene()));
  group("servers with a password", () => run(sessions.passwordCases, scene("secret")));
});
