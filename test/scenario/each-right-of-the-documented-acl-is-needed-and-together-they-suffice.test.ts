/**
 * The ACL of docs/OPERATIONS.md, read out of the document: with it everything works and the server denies nothing; take
 * any one right away, and something that an operator or an app can see is worse.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { denialsOf, documentedRights, userWith } from "../support/acl.js";
import { audience, Listener, publishAll, publishThrough } from "../support/apps.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const [minimal = [], node = []] = documentedRights();

let server: Server;
let users = 0;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

/** What can be seen of two pods; each is "fine" or says what is not. */
type Look = "ready" | "named" | "shared" | "rooms" | "healing" | "leaving" | "pattern" | "leavingPattern" | "log";
type Seen = Partial<Record<Look, string>>;

const why = (error: unknown) => String(error instanceof Error ? error.message : error).slice(0, 200);
const fine = (story: () => Promise<unknown>) => story().then(() => "fine", why);

/** Publishes 20 growing frames at A; B must hear them all, and most as deltas. */
async function deltas(a: Sidecar, b: Sidecar, channel: string): Promise<void> {
  const [ear, app] = [await Listener.on(b.port, channel), await RespClient.connect({ port: a.port })];
  const before = await a.metric("keyframe_frames_total", { direction: "in", kind: "delta" });
  const frames = Array.from({ length: 20 }, (_, i) => snapshot(text(i + 1), { message: channel }));
  for (const frame of frames) assert.equal(typeof (await app.text("PUBLISH", channel, frame)), "number");
  await ear.until(frames.length, 2_000);
  const after = await a.metric("keyframe_frames_total", { direction: "in", kind: "delta" });
  await Promise.all([ear.close(), app.close()]);
  assert.ok(after - before >= 15, `${after - before} deltas on ${channel}`);
}

/** B subscribes in the middle of a stream, so it must ask A and be answered. */
async function healing(a: Sidecar, b: Sidecar): Promise<void> {
  const channel = "socketio#/#user:late";
  const frames = Array.from({ length: 12 }, (_, i) => increment(`${i} `, { message: channel }));
  const [own, app] = [await audience(server.port, channel), await RespClient.connect({ port: a.port })];
  await publishThrough(
    a,
    app,
    frames.slice(0, 6).map((frame) => [channel, frame]),
  );
  const late = await Listener.on(b.port, channel);
  await publishAll(
    app,
    frames.slice(6).map((frame) => [channel, frame]),
  );
  await late.until(6, 2_000);
  await Promise.all([own.close(), late.close(), app.close()]);
  assert.ok((await b.metric("keyframe_repairs_total", { direction: "received" })) > 0, "no base was asked for");
}

const nobody = (...words: string[]) =>
  eventually(
    `nobody left of ${words.join(" ")}`,
    async () => (await server.cli("PUBSUB", ...words)).split("\n").every((line) => !/^[1-9]\d*$/.test(line)),
    1_000,
  );

/** The story with two pods of one user; `idleMs` is how long they then say nothing. */
async function look(user: string, rights: readonly string[], idleMs: number, canary = "2s"): Promise<Seen> {
  await server.cli("SCRIPT", "FLUSH");
  const upstream = await userWith(server, user, rights);
  const pods = await Promise.all([0, 1].map(() => startSidecar({ upstream, env: { KEYFRAME_CANARY: canary } })));
  const [a, b] = pods as [Sidecar, Sidecar];
  const seen: Seen = {};
  try {
    seen.ready = await fine(() => Promise.all(pods.map((pod) => pod.ready(2_000))));
    if (seen.ready !== "fine") return seen;
    seen.named = await fine(async () => {
      const own = (await server.cli("CLIENT", "LIST")).split("\n").filter((line) => line.includes(` user=${user} `));
      assert.equal(own.filter((line) => / name=keyframe-(publisher|subscriber) /.test(line)).length, 4);
    });
    seen.shared = await fine(() => deltas(a, b, "socketio"));
    seen.rooms = await fine(() => deltas(a, b, "socketio#/#user:1"));
    seen.healing = await fine(() => healing(a, b));
    seen.leaving = await fine(() => nobody("NUMSUB", "socketio", "socketio#/#user:1", "~kf1~socketio"));
    seen.pattern = await fine(async () => {
      const [ear, app] = [await Listener.onPattern(b.port, "socketio#*"), await RespClient.connect({ port: a.port })];
      assert.equal(await server.cli("PUBSUB", "NUMPAT"), "2", "by the sidecar, with its side channels");
      assert.equal(typeof (await app.text("PUBLISH", "socketio#/#user:2", increment("x"))), "number");
      await ear.until(1, 2_000);
      await Promise.all([ear.close(), app.close()]);
    });
    seen.leavingPattern = await fine(() => nobody("NUMPAT"));
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const warnings = pods.flatMap((pod) => pod.logs).filter((line) => /"level":"?(warn|error|40|50)/.test(line));
    seen.log = warnings.length === 0 ? "fine" : warnings.join("\n");
    return seen;
  } finally {
    await Promise.all(pods.map((pod) => pod.stop("SIGKILL")));
    // What a killed sidecar held is gone before the next pods are looked at.
    await eventually(
      "its connections are gone",
      async () => !(await server.cli("CLIENT", "LIST")).includes(`=${user} `),
    );
  }
}

/** A connection that has been quiet for 5 s is asked whether it lives, and once more 5 s later. */
const QUIET_MS = 10_500;

test("with exactly these rights everything works, and the server has nothing to deny", async () => {
  const user = `full-${++users}`;
  const seen = await look(user, minimal, QUIET_MS);
  assert.deepEqual(await denialsOf(server, user), [], "denied, and not in the document");
  for (const [what, how] of Object.entries(seen)) assert.equal(how, "fine", what);
  assert.equal(Object.keys(seen).length, 9);
});

const worse: Record<string, Look> = {
  "+select": "ready",
  "+ping": "log",
  "+client|setname": "named",
  "+evalsha": "shared",
  "+eval": "shared",
  "+role": "log",
  "+publish": "ready",
  "+pubsub|numsub": "rooms",
  "+pubsub|numpat": "shared",
  "+subscribe": "shared",
  "+unsubscribe": "leaving",
  "+psubscribe": "pattern",
  "+punsubscribe": "leavingPattern",
  "&socketio": "shared",
  "&socketio#*": "rooms",
  "&~kf1~*": "healing",
  "&~kf1~socketio#*": "pattern",
};

test("every right of the document is in the table of this test", () => {
  const rights = minimal.filter((word) => /^[+&~%]/.test(word));
  assert.deepEqual(Object.keys(worse).sort(), rights.sort());
  assert.ok(minimal.includes("-@all") && minimal.includes("resetkeys") && minimal.includes("resetchannels"));
});

for (const [right, where] of Object.entries(worse)) {
  test(`without ${right}: ${where}`, async (t) => {
    const user = `less-${++users}`;
    const rights = minimal.filter((word) => word !== right);
    // Canaries keep a connection from being quiet, so it is asked only where they are rare.
    const seen = right === "+ping" ? await look(user, rights, QUIET_MS, "1m") : await look(user, rights, 0);
    const bad = Object.entries(seen).filter(([, how]) => how !== "fine");
    t.diagnostic(`${right}: ${bad.map(([what, how]) => `${what}: ${how.split("\n")[0]}`).join("; ")}`);
    assert.notEqual(seen[where] ?? "fine", "fine", `${where} is as good without ${right}`);
    assert.notDeepEqual(await denialsOf(server, user), [], "the server has denied nothing");
  });
}

test("Node's adapter subscribes its pattern with the additional rights, and not without any one of them", async () => {
  const extra = node.filter((word) => word.startsWith("&"));
  assert.equal(extra.length, 2);
  // A room's frames go to `socket.io#/#room#`, and the adapter listens by pattern.
  const adapter = async (rights: readonly string[]) => {
    const upstream = await userWith(server, `node-${++users}`, rights);
    const pod = await startSidecar({ upstream });
    try {
      await pod.ready();
      return await fine(async () => {
        const ear = await Listener.onPattern(pod.port, "socket.io#/#*");
        assert.equal(await server.cli("PUBSUB", "NUMPAT"), "2", "by the sidecar, with its side channels");
        const app = await RespClient.connect({ port: pod.port });
        assert.equal(typeof (await app.text("PUBLISH", "socket.io#/#room#", "frame")), "number");
        await ear.until(1, 2_000);
        await Promise.all([ear.close(), app.close()]);
      });
    } finally {
      await pod.stop("SIGKILL");
      await nobody("NUMPAT");
    }
  };
  assert.equal(await adapter([...minimal, ...extra]), "fine");
  for (const right of extra) {
    const rest = extra.filter((word) => word !== right);
    assert.notEqual(await adapter([...minimal, ...rest]), "fine", `as good without ${right}`);
  }
});
