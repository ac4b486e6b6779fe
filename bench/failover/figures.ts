/** What one run of the failover bench says: pure arithmetic over what the pods have written down. */

/** Number, when it was due, when it was answered (null: never), whether with success; times in seconds of the epoch. */
export type SentFrame = [number: number, due: number, answered: number | null, ok: boolean];

export interface PodResult {
  chats: { name: string; worker: number; sent: SentFrame[] }[];
  /** What each worker has heard of others: chat, number, time. */
  workers: [chat: string, number: number, at: number][][];
}

export interface RunFigures {
  /** Frames that the apps published. */
  published: number;
  /** PUBLISHes that failed or were never answered. */
  errors: number;
  /** PUBLISHes that took longer than a second. */
  slow: number;
  /** Deliveries (a frame to a worker) of frames that were answered with success. */
  expected: number;
  /** Of these, frames with one word that were never heard: holes in a text, until a whole one comes. */
  lostWords: number;
  /** Frames with the whole text so far that were never heard: the next one makes them good. */
  lostWholes: number;
  /** Frames that a worker heard twice, and frames of a chat that came behind a later one. */
  twice: number;
  disorder: number;
  /** Longest time without a frame of the other pods, from the fault on, of each worker: seconds. */
  deaf: number[];
  /** Workers that had heard nothing of the other pods for 3 s at the end. */
  silentAtEnd: number;
  /** Last frames of chats that ended in the outage: heard, of how many deliveries; and of those that ended long after. */
  earlyEnds: [heard: number, of: number];
  lateEnds: [heard: number, of: number];
}

/** Frames that were due this long before the fault, or later, are looked at. */
const BEFORE_S = 1;

/** @param times of the fault, of the early ends and of the others, seconds of the epoch */
export function figuresOf(
  pods: readonly PodResult[],
  times: { fault: number; early: number; end: number },
): RunFigures {
  const figures: RunFigures = {
    published: 0,
    errors: 0,
    slow: 0,
    expected: 0,
    lostWords: 0,
    lostWholes: 0,
    twice: 0,
    disorder: 0,
    deaf: [],
    silentAtEnd: 0,
    earlyEnds: [0, 0],
    lateEnds: [0, 0],
  };
  // What was said before all were there was not lost.
  pods = pods.map(({ chats, workers }) => ({
    workers,
    chats: chats.map((chat) => ({ ...chat, sent: chat.sent.filter(([, due]) => due >= times.fault - BEFORE_S) })),
  }));
  const heard = pods.map(({ workers }) => workers.map((events) => new Set(events.map(([chat, n]) => `${chat} ${n}`))));
  for (const [pod, { chats }] of pods.entries()) {
    for (const [place, { worker, sent }] of chats.entries()) {
      figures.published += sent.length;
      for (const [, due, answered, ok] of sent) {
        if (!ok) figures.errors++;
        if ((answered ?? times.end) - due > 1) figures.slow++;
      }
      for (const [at, sets] of heard.entries()) {
        for (const [listener, set] of sets.entries()) {
          if (at === pod && listener === worker) continue;
          judge(figures, chats[place]!, set, place === 0);
        }
      }
    }
  }
  for (const [at, { workers }] of pods.entries()) {
    const foreign = new Set(pods.flatMap(({ chats }, pod) => (pod === at ? [] : chats.map(({ name }) => name))));
    for (const events of workers) {
      repeats(figures, events);
      if (foreign.size === 0) continue;
      const others = events.filter(([chat]) => foreign.has(chat)).map(([, , time]) => time);
      const { longest, atEnd } = silence(others, times.fault, times.end);
      figures.deaf.push(longest);
      if (atEnd) figures.silentAtEnd++;
    }
  }
  return figures;
}

function judge(
  figures: RunFigures,
  chat: PodResult["chats"][number],
  heard: ReadonlySet<string>,
  early: boolean,
): void {
  const last = chat.sent.length - 1;
  for (const [place, [number, , , ok]] of chat.sent.entries()) {
    const came = heard.has(`${chat.name} ${number}`);
    if (place === last) {
      const ends = early ? figures.earlyEnds : figures.lateEnds;
      ends[1]++;
      if (came) ends[0]++;
    }
    if (!ok) continue;
    figures.expected++;
    if (came) continue;
    if (place !== last && number % 3 !== 2) figures.lostWords++;
    else figures.lostWholes++;
  }
}

function repeats(figures: RunFigures, events: PodResult["workers"][number]): void {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const [chat, number] of events) {
    const key = `${chat} ${number}`;
    if (seen.has(key)) figures.twice++;
    else if (number < (last.get(chat) ?? -1)) figures.disorder++;
    seen.add(key);
    last.set(chat, Math.max(number, last.get(chat) ?? -1));
  }
}

/** The longest time between two events, or between an event and the end, that reaches beyond `from`. */
function silence(times: readonly number[], from: number, end: number): { longest: number; atEnd: boolean } {
  const before = times.filter((time) => time <= from).at(-1) ?? from;
  const after = times.filter((time) => time > from && time <= end);
  let longest = 0;
  // A silence that began before the fault counts from the fault.
  let last = Math.max(before, from);
  for (const time of [...after, end]) {
    longest = Math.max(longest, time - last);
    last = time;
  }
  return { longest, atEnd: end - (after.at(-1) ?? from) > 3 };
}
