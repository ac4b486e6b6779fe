/**
 * Accidents 1 and 2: a pod without a sidecar that listens as Open WebUI 0.12.0 does, `PSUBSCRIBE socketio#*`, comes and
 * goes beside pods with one. It hears every frame of every room raw and nothing else, also where a room is named like
 * one of the sidecars' own channels; the pods with sidecars miss nothing meanwhile.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { increment, snapshot, text } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { Guest, Talker } from "../support/talk.js";
import { eventually } from "../support/wait.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods();
});
after(() => pods?.stop());

const sent = (kind: string) => pods.a.metric("keyframe_frames_total", { direction: "in", kind });

test("it joins in the middle of streams, hears each frame from its ack on, and deltas flow when it has left", async () => {
  const ids = (name: string) => ({ chat: name, message: name, host: `host-${name}`, room: name });
  const rooms = ["user:1", "~kf1~socketio", "x~kf1~in~00.1"];
  const talkers = [
    ...(await Promise.all(
      rooms.map((room) => Talker.silent(pods.a.port, `socketio#/#${room}`, (i) => increment(`${i} `, ids(room)))),
    )),
    await Talker.silent(pods.a.port, "socketio#/#chat:1", (i) => snapshot(`${i} ${text(i % 50)}`, ids("chat:1"))),
  ];
  const stays = await Promise.all([pods.a, pods.b].map((pod, i) => Guest.at(pod.port, talkers, `pod ${"AB"[i]}`)));
  for (const talker of talkers) talker.start();
  await eventually("deltas flow", async () => (await sent("delta")) > 40);

  for (let i = 0; i < 5; i++) {
    const guest = await Guest.at(pods.server.port, talkers, `plain guest ${i}`, "socketio#*");
    const overlap = i === 2 ? await Guest.at(pods.server.port, talkers, "a second one", "socketio#/#*") : undefined;
    const deltas = await sent("delta");
    await Promise.all(talkers.map((talker) => talker.more(12)));
    const raw = await sent("raw");
    await Promise.all(talkers.map((talker) => talker.more(12)));
    assert.ok((await sent("raw")) > raw + 20, "its frames are raw");
    // What was encoded before it came may still be counted.
    assert.ok((await sent("delta")) - deltas <= talkers.length * 4, "no deltas while it listens");
    await Promise.all([guest.leave(), overlap?.leave()]);
    const after = await sent("delta");
    await eventually("deltas again", async () => (await sent("delta")) > after + 20);
  }
  await Promise.all(stays.map((guest) => guest.leave()));
  await Promise.all(talkers.map((talker) => talker.stop()));
});
