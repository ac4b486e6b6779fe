/**
 * SENTINEL FAILOVER under load while the old master lives on and takes clients for seconds (about 11). Two pods hear of it
 * and leave; a third stays until it is cut, and talks on to nobody. Between sidecars nothing comes twice or out of order,
 * what was lost is counted, and how each chat ends is heard by all, whichever master it ended at. Accident 5.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener } from "../support/apps.js";
import { Chat } from "../support/chats.js";
import { type Sentinels, startSentinels } from "../support/sentinels.js";
import type { Server } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const CHANNEL = "socketio";
let group: Sentinels;
before(async () => {
  group = await startSentinels();
});
after(() => group.stop());

interface Pod {
  name: string;
  sidecar: Sidecar;
  ear: Listener;
  chats: Chat[];
}

async function startPod(name: string, env: Record<string, string> = {}): Promise<Pod> {
  const sidecar = await startSidecar({ upstream: group.url(), env });
  await sidecar.ready();
  return { name, sidecar, ear: await Listener.on(sidecar.port, CHANNEL), chats: [] };
}

async function talk(pods: readonly Pod[]): Promise<void> {
  for (const { name, sidecar, chats } of pods) {
    for (let i = 0; i < 3; i++) {
      chats.push(await Chat.begin({ port: sidecar.port, channel: CHANNEL, name: `${name}${i}`, pauseMs: 10 }));
    }
  }
  // Every pod knows every stream: what a pod has never heard of, it cannot miss.
  for (const { ear } of pods) {
    for (const { chats } of pods) {
      for (const chat of chats) {
        await eventually("three frames", () => chat.sent.length > 3);
        const third = chat.sent[2]!.payload;
        await ear.untilMessage(({ payload }) => payload.toString("latin1") === third);
      }
    }
  }
}

/** How many sidecars are subscribed at the server. */
async function trunks(server: Server): Promise<number> {
  const list = await server.cli("CLIENT", "LIST");
  return (list.match(/ name=keyframe-subscriber/g) ?? []).length;
}

/** What a sidecar has counted as lost, for these reasons or for all. */
async function counted({ sidecar }: Pod, reasons?: readonly string[]): Promise<number> {
  if (reasons === undefined) return sidecar.metric("keyframe_undelivered_frames_total");
  const counts = reasons.map((reason) => sidecar.metric("keyframe_undelivered_frames_total", { reason }));
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

/** Reasons of the pod that sends: a frame that is lost for one of them is lost to all. */
const SENDING = ["superseded", "queue_timeout", "upstream_lost", "denied"];

/** Ends all chats; then each pod must have heard each end, and nothing may be missing that nobody has counted. */
async function judge(pods: readonly Pod[], say: (text: string) => void): Promise<void> {
  await Promise.all(pods.map(({ sidecar }) => sidecar.ready()));
  for (const { chats } of pods) {
    for (const chat of chats) {
      const last = await chat.end();
      for (const { ear } of pods) await ear.untilMessage(({ payload }) => payload.toString("latin1") === last);
    }
  }
  for (const { ear } of pods) await ear.settle();
  for (const at of pods) {
    const heard = at.ear.payloads();
    const set = new Set(heard);
    assert.equal(set.size, heard.length, `${at.name} heard a frame twice`);
    for (const of of pods) {
      for (const chat of of.chats) chat.inOrderAndOnce(heard, at.name);
      const missing = of.chats.flatMap((chat) => chat.missing(set));
      const most = (await counted(of, SENDING)) + (at === of ? 0 : await counted(at));
      const errors = of.chats.flatMap((chat) => chat.errors);
      const sent = of.chats.reduce((sum, chat) => sum + chat.sent.length, 0);
      say(`${at.name} misses ${missing.length} of ${sent} frames of ${of.name}, ${errors.length} refused`);
      assert.ok(
        missing.length <= most,
        `${at.name} misses ${missing.length} frames of ${of.name}, ${most} are counted; the first is ${missing[0]?.payload}`,
      );
    }
  }
}

async function stop({ ear, sidecar }: Pod): Promise<void> {
  await ear.close();
  await sidecar.stop();
}

test("two pods leave the old master at once, a third talks on there until it is cut: nothing twice, nothing lost uncounted", async (t) => {
  // The third may ask where the master is, and nothing else: no pushes, no other sentinels.
  const sentinels = (...rules: string[]) =>
    Promise.all(group.sentinels.map((sentinel) => sentinel.cli("ACL", "SETUSER", "asks", ...rules)));
  await sentinels("on", ">asks", "resetchannels", "-@all", "+auth", "+ping", "+sentinel|get-master-addr-by-name");
  const asks = { KEYFRAME_SENTINEL_USERNAME: "asks", KEYFRAME_SENTINEL_PASSWORD: "asks" };
  const pods = [await startPod("a"), await startPod("b"), await startPod("late", asks)] as const;
  const [a, b, late] = pods;
  try {
    const old = await group.masterServer();
    await talk(pods);
    // It learns nothing from now on.
    await sentinels("-sentinel|get-master-addr-by-name");
    await group.failover();
    const switched = performance.now();
    const since = () => `${((performance.now() - switched) / 1000).toFixed(1)} s`;
    const fresh = await group.masterServer();
    await eventually("a and b are at the new master", async () => (await trunks(fresh)) === 2, 2_000);
    // Two masters, and pods at both. One chat at each ends before they meet again.
    assert.match(await old.cli("ROLE"), /^master/);
    const ends = await Promise.all([a.chats.shift()!, late.chats.shift()!].map((chat) => chat.end()));
    assert.equal(await trunks(old), 1, "the third is still at the old master");
    const hears = ({ ear }: Pod, end: string) => ear.untilMessage(({ payload }) => payload.toString("latin1") === end);
    await hears(b, ends[0]!);
    await eventually("the old master is demoted", async () => /^slave/.test(await old.cli("ROLE")), 30_000);
    t.diagnostic(`the old master was one for ${since()} more`);
    await sentinels("+sentinel|get-master-addr-by-name");
    await eventually("all three are at the new master", async () => (await trunks(fresh)) === 3);
    t.diagnostic(`all met again after ${since()}`);
    await hears(late, ends[0]!);
    await hears(a, ends[1]!);
    await hears(b, ends[1]!);
    await judge(pods, (text) => t.diagnostic(text));
  } finally {
    await Promise.all(pods.map(stop));
  }
});
