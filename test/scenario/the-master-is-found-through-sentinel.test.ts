/** redis+sentinel://: real sentinels name the master, by its exact name; what goes wrong is said, with nobody's password. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freePort } from "../support/ports.js";
import { RespClient } from "../support/resp-client.js";
import { type Sentinels, startSentinels } from "../support/sentinels.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let group: Sentinels;
before(async () => {
  group = await startSentinels({ replicas: 1, password: "hush", sentinelPassword: "whisper" });
});
after(() => group.stop());

const own = { KEYFRAME_SENTINEL_PASSWORD: "whisper" };

async function withSidecar(upstream: string, env: Record<string, string>, run: (sidecar: Sidecar) => Promise<void>) {
  const sidecar = await startSidecar({ upstream, env });
  try {
    await run(sidecar);
    const seen = sidecar.logs.join("\n");
    for (const secret of ["hush", "whisper", "wrong-one"])
      assert.ok(!seen.includes(secret), "no credential in the logs");
  } finally {
    await sidecar.stop();
  }
}

/** What an app is answered, on a connection of its own. */
async function answer(sidecar: Sidecar, ...words: string[]): Promise<string> {
  const app = await RespClient.connect({ port: sidecar.port, deadlineMs: 10_000 });
  const text = String(await app.text(...words));
  await app.close();
  return text;
}

test("commands reach the master; sentinels and servers have passwords of their own", () =>
  withSidecar(group.url(), own, async (sidecar) => {
    await sidecar.ready();
    assert.equal(await answer(sidecar, "SET", "k", "through sentinel"), "OK");
    assert.equal(await group.servers[0]!.cli("GET", "k"), "through sentinel");
    await eventually(
      "every sentinel is heard",
      async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === 3,
    );
    assert.equal(await sidecar.metric("keyframe_sentinels", { state: "known" }), 3);
  }));

test("a sentinel that is named by its host name is found", () =>
  withSidecar(group.url().replaceAll("127.0.0.1", "localhost"), own, async (sidecar) => {
    await sidecar.ready();
    assert.equal(await answer(sidecar, "GET", "k"), "through sentinel");
  }));

test("those that a sentinel announces are asked and heard too", () =>
  withSidecar(group.url({ sentinels: [group.sentinels[2]!] }), own, async (sidecar) => {
    await sidecar.ready();
    await eventually(
      "all three are heard",
      async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === 3,
    );
  }));

test("a master name in other letters is another master, and each sentinel's answer is said", () =>
  withSidecar(group.url({ name: "MyMaster" }), own, async (sidecar) => {
    const said = await sidecar.logged("sentinel-unresolved");
    const answers = said.answers as string[];
    assert.equal(answers.length, 3);
    for (const sentinel of group.sentinels) {
      assert.ok(answers.includes(`127.0.0.1:${sentinel.port} does not know master "MyMaster"`), answers.join("; "));
    }
    assert.match(await answer(sidecar, "GET", "k"), /no sentinel names a master: .*does not know master "MyMaster"/);
    assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);
  }));

test("a wrong password for the sentinels is said without it", () =>
  withSidecar(group.url(), { KEYFRAME_SENTINEL_PASSWORD: "wrong-one" }, async (sidecar) => {
    const text = await answer(sidecar, "GET", "k");
    assert.match(text, /no sentinel names a master: .*WRONGPASS/);
    assert.ok(!text.includes("wrong-one"));
    await sidecar.logged("sentinel-unresolved");
  }));

test("no password where sentinels want one is said", () =>
  withSidecar(group.url(), {}, async (sidecar) => {
    assert.match(await answer(sidecar, "GET", "k"), /no sentinel names a master: .*NOAUTH/);
  }));

for (const [what, allowed, heard] of [
  ["the documented ACL", ["+sentinel|master", "+sentinel|sentinels", "+sentinel|myid", "+subscribe"], 3],
  ["leave to ask for the address only", [], 0],
] as const) {
  test(`a user of its own at the sentinels, with ${what}`, async () => {
    const channels = heard > 0 ? ["&+switch-master", "&+sentinel"] : [];
    for (const sentinel of group.sentinels) {
      const rules = [
        "on",
        ">wrong-one",
        "resetchannels",
        "-@all",
        "+auth",
        "+ping",
        "+sentinel|get-master-addr-by-name",
      ];
      await sentinel.cli("ACL", "SETUSER", "keyframe", "reset", ...rules, ...allowed, ...channels);
    }
    const env = { KEYFRAME_SENTINEL_USERNAME: "keyframe", KEYFRAME_SENTINEL_PASSWORD: "wrong-one" };
    await withSidecar(group.url(), env, async (sidecar) => {
      await sidecar.ready();
      assert.equal(await answer(sidecar, "GET", "k"), "through sentinel");
      await eventually(
        `${heard} are heard`,
        async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === heard,
      );
    });
  });
}

// What follows takes sentinels away, for good.

test("one of three is enough when the others are gone, whichever place it has in the URL", async () => {
  await group.killSentinel(0);
  const silent = { port: await freePort() } as (typeof group.sentinels)[number];
  await withSidecar(
    group.url({ sentinels: [group.sentinels[0]!, silent, group.sentinels[1]!] }),
    own,
    async (sidecar) => {
      await sidecar.ready();
      assert.equal(await answer(sidecar, "GET", "k"), "through sentinel");
    },
  );
});

test("when the URL's only sentinel dies, those that it had announced are asked", () =>
  withSidecar(group.url({ sentinels: [group.sentinels[1]!] }), own, async (sidecar) => {
    await sidecar.ready();
    await eventually(
      "the other one that lives is heard",
      async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === 2,
    );
    await group.killSentinel(1);
    await eventually(
      "the loss is seen",
      async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === 1,
    );
    // A new connection has to be found a master, past the answer that is still remembered.
    const served = performance.now() + 1_500;
    await eventually("new connections are served", async () => {
      assert.equal(await answer(sidecar, "GET", "k"), "through sentinel");
      return performance.now() > served;
    });
  }));
