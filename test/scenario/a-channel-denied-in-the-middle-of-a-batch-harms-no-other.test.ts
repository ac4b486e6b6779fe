/**
 * Accident 19: frames for several channels leave in one batch, and the ACL denies one of them, or only its side channel.
 * What stands before it is delivered once, the frame itself raw or answered with the server's own error, what stands
 * behind it in its order; none twice.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { documentedRights, userWith } from "../support/acl.js";
import { Listener, sameFrames } from "../support/apps.js";
import { increment } from "../support/frames.js";
import { plain, RespClient, type RespValue } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const commands = (documentedRights()[0] ?? []).filter((word) => !word.startsWith("&"));
const [first, second, third] = ["socketio#/#first", "socketio#/#second", "socketio#/#third"] as const;
const bases = [first, second, third];
const every = ["&~kf1~in~*", ...bases.flatMap((name) => [`&${name}`, `&~kf1~${name}`])];
const withoutSide = every.filter((right) => right !== `&~kf1~${second}`);

let server: Server;
let b: Sidecar;
before(async () => {
  server = await startServer();
  b = await startSidecar({ upstream: server.url });
  await b.ready();
});
after(async () => {
  await b?.stop();
  await server?.stop();
});

const scripts = async () =>
  Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(await server.cli("INFO", "commandstats"))?.[1] ?? 0);

/** One chat on three channels, so that the order of all of it can be seen. */
const ids = (name: string) => ({ chat: name, message: name, host: `host-${name}` });

interface Scene {
  a: Sidecar;
  ear: Listener;
  /** Sends each frame over a connection of its own, all in one batch; the answers in the same order. */
  batch(frames: readonly [string, Buffer][]): Promise<RespValue[]>;
}

let users = 0;

/** Pod A's user may use `channels`; the first one and, where `known` says it, all three carry deltas already. */
async function scene(channels: readonly string[], known: readonly string[], story: (scene: Scene) => Promise<void>) {
  const user = `publisher-${++users}`;
  const a = await startSidecar({ upstream: await userWith(server, user, [...commands, ...channels]) });
  const ear = await Listener.on(b.port, ...bases);
  const apps: RespClient[] = [];
  const connect = async () => {
    apps.push(await RespClient.connect({ port: a.port, deadlineMs: 10_000 }));
    return apps.at(-1)!;
  };
  try {
    await a.ready();
    const opening = await connect();
    for (const channel of known) {
      await opening.command("PUBLISH", channel, increment("opening", ids(channel)));
      await opening.command("PUBLISH", channel, increment("opening 2", ids(channel)));
    }
    await ear.until(known.length * 2);
    ear.heard.length = 0;
    const batch: Scene["batch"] = async (frames) => {
      const before = await scripts();
      const clients: RespClient[] = [];
      for (const _frame of frames) clients.push(await connect());
      process.kill(server.pid, "SIGSTOP");
      try {
        // The plug is on its way alone; what comes while it is unanswered gathers behind it.
        const queued = () => a.metric("keyframe_commands_total", { plane: "publish" });
        let taken = await queued();
        opening.request("PUBLISH", first, increment("plug", ids("plug")));
        for (const [i, [channel, payload]] of [["", Buffer.of()] as const, ...frames].entries()) {
          if (i > 0) clients[i - 1]!.request("PUBLISH", channel, payload);
          taken++;
          await eventually("it is taken", async () => (await queued()) === taken);
        }
      } finally {
        process.kill(server.pid, "SIGCONT");
      }
      assert.equal(typeof (await opening.reply()), "number");
      const answers = await Promise.all(clients.map((client) => client.reply(10_000)));
      assert.ok((await scripts()) >= before + 2, "the plug and the batch");
      return answers;
    };
    await story({ a, ear, batch });
  } finally {
    await Promise.all([...apps, ear].map((client) => client.close()));
    await a.stop();
  }
}

const frames: [string, Buffer][] = [first, second, third, first].map((channel, i) => [
  channel,
  increment(`frame ${i} `, ids("chat")),
]);

async function hears(ear: Listener, expected: readonly Buffer[]): Promise<void> {
  await ear.until(expected.length + 1);
  await ear.settle();
  sameFrames(ear.payloads().slice(1), expected, "B, behind the plug");
}

const payloads = (...at: number[]) => at.map((i) => frames[i]![1]);

test("nothing is denied: one batch, all of it once and in order", () =>
  scene(every, bases, async ({ a, ear, batch }) => {
    const before = await a.metric("keyframe_flush_frames_count");
    for (const answer of await batch(frames)) assert.equal(typeof answer, "number");
    await hears(ear, payloads(0, 1, 2, 3));
    assert.equal((await a.metric("keyframe_flush_frames_count")) - before, 2, "the plug and one batch");
  }));

test("a channel that has not been tried yet is denied: its app is told so, the others are not concerned", () =>
  scene(
    every.filter((right) => !right.endsWith("second")),
    [first, third],
    async ({ ear, batch }) => {
      const direct = await RespClient.connect({ port: server.port });
      await direct.command("AUTH", `publisher-${users}`, "pw");
      const error = await direct.text("PUBLISH", second, "x");
      assert.match(JSON.stringify(error), /NOPERM/);
      const [one, denied, two, three] = await batch(frames);
      for (const answer of [one, two, three]) assert.equal(typeof answer, "number");
      assert.deepEqual(plain(denied ?? null), error, "word for word");
      await hears(ear, payloads(0, 2, 3));
      await direct.close();
    },
  ));

for (const [what, known] of [
  ["that has not been tried yet", [first, third]],
  ["that carried deltas until now", bases],
] as const) {
  test(`only the side channel of one ${what} is denied: all of it arrives, in order, that one raw`, () =>
    scene(known.length === 3 ? every : withoutSide, known, async ({ a, ear, batch }) => {
      if (known.length === 3) {
        await server.cli("ACL", "SETUSER", `publisher-${users}`, "resetchannels", ...withoutSide);
      }
      for (const answer of await batch(frames)) assert.equal(typeof answer, "number");
      await hears(ear, payloads(0, 1, 2, 3));
      assert.ok(a.logs.some((line) => line.includes('"side_denied"') && line.includes(second)));
      assert.equal(await a.metric("keyframe_undelivered_frames_total"), 0);
      assert.equal(await b.metric("keyframe_repeats_dropped_total"), 0);
    }));
}

test("a channel is denied whose PUBLISH was answered at once: counted, the next one is told", () =>
  scene(every, bases, async ({ a, ear, batch }) => {
    const rest = every.filter((right) => !right.endsWith("second"));
    await server.cli("ACL", "SETUSER", `publisher-${users}`, "resetchannels", ...rest);
    await batch(frames);
    await hears(ear, payloads(0, 2, 3));
    assert.equal(await a.metric("keyframe_undelivered_frames_total", { reason: "denied" }), 1);
    const app = await RespClient.connect({ port: a.port });
    assert.match(JSON.stringify(await app.text("PUBLISH", second, "x")), /NOPERM/);
    await app.close();
  }));
