/** Accidents 18 and 19: identities, ACLs. Nobody is served in the trunk's name who is somebody else; what is denied is not lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type TwoPods, twoPods } from "../support/pods.js";
import { plain, RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";
import { answer, hear, listen, publishAll } from "../support/streams.js";

const trunkRights = [
  ..."resetkeys resetchannels -@all +select +ping +role +client|setname +evalsha +eval +publish +pubsub|numsub".split(
    " ",
  ),
  ..."+pubsub|numpat +subscribe +unsubscribe +psubscribe +punsubscribe".split(" "),
  ..."&socketio &socketio#* &socket.io#* &~kf1~* &~kf1~socketio#*".split(" "),
];

/** Two pods whose sidecars log in as `trunk`, with these rights instead of the documented ones. */
async function podsWithRights(rights: readonly string[], story: (pods: TwoPods) => Promise<void>): Promise<void> {
  const upstream = async (server: Server) => {
    await server.cli("ACL", "SETUSER", "trunk", "on", ">pw", ...rights);
    return `redis://trunk:pw@127.0.0.1:${server.port}/0`;
  };
  const pods = await twoPods({ upstream });
  try {
    await story(pods);
  } finally {
    await pods.stop();
  }
}

const count = (pods: TwoPods, kind: string) => pods.a.metric("keyframe_frames_total", { direction: "in", kind });

test("with exactly the documented rights, frames go as deltas and patterns are served", () =>
  podsWithRights(trunkRights, async (pods) => {
    const frames = answer("0.9.5", 50, 1);
    const subscriber = await listen(pods.b.port);
    const publisher = await RespClient.connect({ port: pods.a.port });
    await publishAll(publisher, frames);
    assert.deepEqual(
      await hear(subscriber, frames.length),
      frames.map(({ payload }) => payload),
    );
    assert.ok((await count(pods, "delta")) > 40);
    const rooms = await listen(pods.b.port, "socketio#*", true);
    assert.ok(!pods.b.logs.join("\n").includes("denied"));
    await Promise.all([subscriber, publisher, rooms].map((client) => client.close()));
  }));

for (const [what, without] of [
  ["scripts", ["+evalsha", "+eval"]],
  ["side channels", ["&~kf1~*", "&~kf1~socketio#*"]],
] as const) {
  test(`without the right to ${what} everything goes raw and arrives once`, () =>
    podsWithRights(
      trunkRights.filter((right) => !(without as readonly string[]).includes(right)),
      async (pods) => {
        const frames = answer("0.9.5", 50, 2);
        const subscriber = await listen(pods.b.port);
        const publisher = await RespClient.connect({ port: pods.a.port });
        for (const frame of frames)
          assert.equal(typeof (await publisher.text("PUBLISH", frame.channel, frame.payload)), "number");
        assert.deepEqual(
          await hear(subscriber, frames.length),
          frames.map(({ payload }) => payload),
        );
        assert.deepEqual(await subscriber.fence().catch(() => []), []);
        assert.equal(await count(pods, "delta"), 0);
        await Promise.all([subscriber, publisher].map((client) => client.close()));
      },
    ));
}

test("a channel that is denied: the server's own error, the one beside it delivered once", () =>
  podsWithRights(
    trunkRights.map((right) => (right === "&socketio#*" ? "&socketio#/#allowed" : right)),
    async (pods) => {
      const subscriber = await listen(pods.b.port, "socketio#/#allowed");
      const publisher = await RespClient.connect({ port: pods.a.port });
      publisher.request("PUBLISH", "socketio#/#allowed", "one");
      publisher.request("PUBLISH", "socketio#/#denied", "two");
      publisher.request("PUBLISH", "socketio#/#allowed", "three");
      const [first, denied, third] = (await publisher.take(3)).map(plain);
      assert.equal(typeof first, "number");
      assert.match(JSON.stringify(denied), /NOPERM/);
      assert.equal(typeof third, "number");
      const direct = await RespClient.connect({ port: pods.server.port });
      await direct.command("AUTH", "trunk", "pw");
      assert.deepEqual(denied, await direct.text("PUBLISH", "socketio#/#denied", "two"), "word for word");
      assert.deepEqual(
        await publisher.text("SUBSCRIBE", "socketio#/#denied"),
        await direct.text("SUBSCRIBE", "socketio#/#denied"),
      );
      assert.deepEqual((await hear(subscriber, 2)).map(String), ["one", "three"]);
      assert.deepEqual(await subscriber.fence(), []);
      await Promise.all([subscriber, publisher, direct].map((client) => client.close()));
    },
  ));

test("an app that says it is somebody else is passed through: its own rights hold, others keep their deltas", () =>
  podsWithRights(trunkRights, async (pods) => {
    await pods.server.cli(
      "ACL",
      "SETUSER",
      "poor",
      "on",
      ">poor",
      "resetchannels",
      "-@all",
      "+publish",
      "+subscribe",
      "+get",
      "~*",
    );
    const subscriber = await listen(pods.b.port);
    const poor = await RespClient.connect({ port: pods.a.port });
    assert.equal(await poor.text("AUTH", "poor", "poor"), "OK");
    assert.match(JSON.stringify(await poor.text("PUBLISH", "socketio", "x")), /NOPERM/);
    assert.match(JSON.stringify(await poor.text("SUBSCRIBE", "socketio")), /NOPERM/);
    assert.equal(await pods.a.metric("keyframe_latched_connections_total", { reason: "identity" }), 1);
    const same = await RespClient.connect({ port: pods.a.port });
    assert.equal(await same.text("AUTH", "trunk", "pw"), "OK");
    const frames = answer("0.9.5", 20, 3);
    await publishAll(same, frames);
    assert.deepEqual(
      await hear(subscriber, frames.length),
      frames.map(({ payload }) => payload),
    );
    assert.ok((await count(pods, "delta")) > 10);
    await Promise.all([subscriber, poor, same].map((client) => client.close()));
  }));

test("a sidecar without credentials before a server that asks for some: NOAUTH, as without it", async () => {
  const server = await startServer({ password: "pw" });
  const sidecar = await startSidecar({ upstream: `redis://127.0.0.1:${server.port}/0` });
  try {
    await sidecar.logged("upstream-down");
    const app = await RespClient.connect({ port: sidecar.port });
    for (const request of [
      ["GET", "k"],
      ["PUBLISH", "socketio", "x"],
      ["SUBSCRIBE", "socketio"],
    ]) {
      assert.match(JSON.stringify(await app.text(...request)), /NOAUTH Authentication required/);
    }
    assert.equal(await app.text("AUTH", "pw"), "OK");
    assert.equal(await app.text("PUBLISH", "socketio", "x"), 0);
    await app.close();
  } finally {
    await sidecar.stop();
    await server.stop();
  }
});
