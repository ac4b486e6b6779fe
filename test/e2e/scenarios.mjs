// The two stories that are told to a fleet, and what must be true of each: every tab has the whole text, and a tab on
// the other replica has seen exactly the events that the tab beside the sender has seen.

import { compareSequences, isShared, normalise } from "./compare.mjs";
import { textOf } from "./corpus.mjs";
import { isDone, isFence, textOfEvents } from "./listener.mjs";
import { promptFor } from "./model.mjs";
import { cpuSeconds } from "./processes.mjs";
import { difference } from "./redis.mjs";
import { sidecarDifference, sidecarSnapshot } from "./sidecar.mjs";
import { tapDifference } from "./tap.mjs";

/** Story by name: the replica (0 or 1) that each of its chats is asked of. */
export const STORIES = [
  { name: "one saved chat", firstSeed: 1, askedOf: [0] },
  { name: "four chats at once", firstSeed: 11, askedOf: [0, 1, 0, 1] },
];

/**
 * Tells one story to a fleet and measures it.
 *
 * @param {object} fleet of startFleet
 * @param {{ name: string, firstSeed: number, askedOf: number[] }} story
 * @param {{ tokens: number, rate: number }} options
 * @returns {Promise<object>} figures, `failures` (sentences), and `sequences`, by chat, for comparison between runs
 */
export async function tellStory(fleet, story, { tokens, rate }) {
  const tabs = fleet.replicas.flatMap(({ asker, witness }) => [asker, witness]);
  const offsets = new Map(tabs.map((tab) => [tab, tab.events.length]));
  const pids = fleet.replicas.map(({ replica }) => replica.pid);
  const redisBefore = await fleet.server.observer.snapshot();
  const tapBefore = fleet.tap?.snapshot();
  const sidecarsBefore = await sidecarSnapshot(fleet.sidecars);
  const cpuBefore = pids.map(cpuSeconds);
  const began = performance.now();

  const chats = await Promise.all(
    story.askedOf.map((at, i) => runChat(fleet, tabs, at, story.firstSeed + i, tokens, rate)),
  );

  const seconds = (performance.now() - began) / 1000;
  const redis = difference(redisBefore, await fleet.server.observer.snapshot());
  if (fleet.tap) redis.sentByCommand = tapDifference(tapBefore, fleet.tap.snapshot());
  const sidecars = fleet.sidecars.length
    ? sidecarDifference(sidecarsBefore, await sidecarSnapshot(fleet.sidecars))
    : undefined;
  const replicaCpuSeconds = pids.map((pid, i) => cpuSeconds(pid) - cpuBefore[i]);

  const failures = [];
  const sequences = [];
  const checks = [];
  for (const chat of chats) {
    const check = await checkChat(fleet, tabs, offsets, chat, tokens, failures);
    checks.push(check.figures);
    sequences.push(check.sequence);
  }
  for (const [index, tab] of tabs.entries()) {
    const missing = checks.reduce((sum, check) => sum + check.tabs[index].superseded, 0);
    const admitted = sidecars?.superseded ?? 0;
    if (missing > admitted) failures.push(`${tab.name}: ${missing} events are missing, the sidecars admit ${admitted}`);
  }
  const sockets = tabs.map((tab) => ({ name: tab.name, events: tab.events.length - offsets.get(tab) }));
  return { name: story.name, seconds, redis, sidecars, replicaCpuSeconds, sockets, chats: checks, failures, sequences };
}

/** Creates a chat, opens it in every tab, asks, and waits until every tab has all that came of it. */
async function runChat(fleet, tabs, at, seed, tokens, rate) {
  const { replica, asker } = fleet.replicas[at];
  const prompt = promptFor(seed, tokens, rate);
  const ids = { userMessage: `user-${seed}`, answerMessage: `answer-${seed}` };
  const began = performance.now();
  const chatId = await replica.newChat({ prompt, ...ids });
  await Promise.all(tabs.map((tab) => tab.openChat(chatId)));
  // Entering a room waits for the server's confirmation in 0.12.3 and later: what a sidecar adds there shows here.
  const openSeconds = (performance.now() - began) / 1000;
  await replica.complete({ prompt, chatId, ...ids, sessionId: asker.sessionId });

  const patience = (tokens / rate) * 3000 + 60_000;
  const here = (event) => event.chat === chatId;
  const finished = (events) => {
    const mine = events.filter(here);
    const active = mine.filter((event) => event.type === "chat:active");
    return mine.some(isDone) && active.length > 0 && active.at(-1).data?.active === false;
  };
  await Promise.all(tabs.map((tab) => tab.when(`the end of answer ${seed}`, patience, finished)));
  // What the sender emits now is behind everything it emitted for this chat before.
  const label = `end of ${seed}`;
  await replica.fence({ chatId, ...ids, label });
  const fenced = (events) => events.some((event) => here(event) && isFence(event, label));
  await Promise.all(tabs.map((tab) => tab.when(`the fence behind answer ${seed}`, 30_000, fenced)));
  return { seed, at, chatId, ...ids, openSeconds };
}

/** Says in `failures` what is wrong with one chat; gives its figures and its sequence of events in comparable form. */
async function checkChat(fleet, tabs, offsets, chat, tokens, failures) {
  const expected = textOf(chat.seed, tokens);
  const eventsOf = (tab) =>
    tab.events.slice(offsets.get(tab)).filter((event) => event.chat === chat.chatId && event.type !== "chat:presence");
  const { asker, witness } = fleet.replicas[chat.at];
  const truth = eventsOf(witness);
  const figures = {
    seed: chat.seed,
    askedOf: fleet.replicas[chat.at].replica.name,
    textLength: expected.length,
    openSeconds: chat.openSeconds,
    tabs: [],
  };
  for (const tab of tabs) {
    const events = eventsOf(tab);
    const { text, growth } = textOfEvents(events.filter((event) => event.message === chat.answerMessage));
    // The room of a chat leaves out the tab that asked, so the snapshots for other people are not due there.
    const due = tab === asker ? truth.filter((event) => !isShared(event)) : truth;
    const order = compareSequences(due, events);
    const intact = text === expected;
    figures.tabs.push({ name: tab.name, events: events.length, growth, intact, ...order.figures });
    if (!intact) failures.push(`${tab.name}: the text of answer ${chat.seed} differs ${whereDiffers(text, expected)}`);
    if (order.problem) failures.push(`${tab.name}: events of answer ${chat.seed}: ${order.problem}`);
  }
  for (const { replica } of fleet.replicas) {
    const saved = await replica.savedText(chat);
    if (saved !== expected) {
      failures.push(`${replica.name}: the saved text of answer ${chat.seed} differs ${whereDiffers(saved, expected)}`);
    }
  }
  return { figures, sequence: normalise(truth, chat) };
}

function whereDiffers(text, expected) {
  let at = 0;
  while (at < expected.length && text[at] === expected[at]) at++;
  const part = (value) => JSON.stringify(value.slice(at, at + 30));
  return `at ${at} of ${expected.length}: ${part(text)} instead of ${part(expected)}`;
}
