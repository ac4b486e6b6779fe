/**
 * The plane under a faulty network: lost, repeated, reordered and damaged messages, late joins, evictions, raw phases,
 * answers that come late or never. Whatever happens, a pod hears only what was published, in order and at most once; once
 * the faults stop, it hears everything.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkOrder, checkPublished } from "./checker.js";
import { Network, type NetworkOptions, type Pod, type Wire } from "./network.js";
import { limits } from "./support.js";
import { scriptsOf, type TaggedFrame } from "./traffic.js";

const PODS = 2;
const TOKENS = 60;
/** Each property stops after this time, milliseconds. KEYFRAME_FUZZ_MS lets it look longer. */
const BUDGET_MS = Number(process.env.KEYFRAME_FUZZ_MS ?? 1_500);
const scripts = Array.from({ length: PODS }, (_, pod) => scriptsOf(pod + 1, TOKENS));
const SCRIPTS = scripts[0]!.length;

type Fault = "none" | "lose" | "repeat" | "tail" | "damage" | "reorder" | "raw" | "restart";

interface Step {
  pod: number;
  /** The scripts that each publish their next frame, in this order, in one batch. */
  picks: number[];
  fault: Fault;
  /** Which messages the fault strikes, bit by bit, and where. */
  mask: number;
  victim: number;
  answer: "now" | "late" | "never";
  ms: number;
}

function steps(faults: readonly Fault[], answers: readonly Step["answer"][] = ["now", "late", "never"]) {
  const step: fc.Arbitrary<Step> = fc.record({
    pod: fc.nat({ max: PODS - 1 }),
    picks: fc.array(fc.nat({ max: SCRIPTS - 1 }), { maxLength: 10 }),
    fault: fc.constantFrom<Fault>("none", ...faults),
    mask: fc.nat({ max: 0xffff }),
    victim: fc.nat({ max: PODS - 1 }),
    answer: fc.constantFrom(...answers),
    ms: fc.constantFrom(0, 5, 60, 400),
  });
  return fc.array(step, { minLength: 1, maxLength: 40, size: "max" });
}

class Run {
  readonly network: Network;
  readonly #at = scripts.map((all) => all.map(() => 0));
  #late: { wire: Wire; to: Pod | undefined }[] = [];

  constructor(options: NetworkOptions = {}) {
    this.network = new Network(PODS, options);
  }

  next(pod: number, picks: readonly number[]): TaggedFrame[] {
    const frames: TaggedFrame[] = [];
    for (const pick of picks) {
      const frame = scripts[pod]![pick]![this.#at[pod]![pick]!++];
      if (frame !== undefined) frames.push(frame);
    }
    return frames;
  }

  do(step: Step): void {
    const { network } = this;
    const overdue = this.#late;
    this.#late = [];
    const victim = network.pods[step.victim]!;
    if (step.fault === "restart") victim.restart();
    const wires = network.pods[step.pod]!.flush(this.next(step.pod, step.picks), step.fault === "raw");
    for (const pod of network.pods) {
      const heard = pod === victim ? struck(wires, step) : wires;
      for (const wire of heard) pod.hear(wire);
      // The whole batch again, as after a connection that broke before its answer; raw frames are never sent again.
      if (step.fault === "repeat") for (const wire of wires) if (wire.kind === "side") pod.hear(wire);
    }
    for (const { wire, to } of overdue) network.send(wire, to);
    this.answer(step.answer);
    network.pass(step.ms);
    this.answer(step.answer);
  }

  answer(how: Step["answer"]): void {
    for (const pod of this.network.pods) {
      for (const { wire, to } of this.network.answers(pod)) {
        if (how === "now") this.network.send(wire, to);
        else if (how === "late") this.#late.push({ wire, to });
      }
    }
  }

  /**
   * The faults have stopped, and streams that were given up may ask again: every script publishes a few more frames, and
   * the last of each must arrive everywhere.
   */
  calm(): void {
    this.answer("now");
    this.network.pass(limits.holdMs * 10 + 50);
    let newest: TaggedFrame[] = [];
    for (let round = 0; round < 4; round++) {
      newest = [];
      for (let pod = 0; pod < PODS; pod++) {
        const frames = this.next(
          pod,
          Array.from({ length: SCRIPTS }, (_, i) => i),
        );
        newest.push(...frames);
        for (const wire of this.network.pods[pod]!.flush(frames, false)) this.network.send(wire);
      }
      this.answer("now");
      for (let i = 0; i < 3; i++) {
        this.network.pass(50);
        this.answer("now");
      }
    }
    this.network.pass(limits.holdMs + 100);
    this.checkNothingWaits();
    for (const pod of this.network.pods) {
      const got = new Set(pod.delivered);
      for (const { id, stream } of newest)
        assert.ok(got.has(id), `pod ${pod.epoch} did not get the newest of ${stream}`);
    }
  }

  checkNothingWaits(): void {
    for (const pod of this.network.pods) {
      assert.equal(pod.rebuilder.heldFrames, 0, "nothing waits any more");
      assert.equal(pod.rebuilder.heldBytes, 0);
    }
  }

  check(order: "domains" | "channels" | "any" = "domains"): void {
    for (const pod of this.network.pods) {
      assert.equal(pod.impostors, 0);
      for (const life of pod.lives) {
        checkPublished(this.network.pods, life);
        if (order !== "any") checkOrder(this.network.pods, life, order === "channels");
      }
    }
  }
}

/** What the victim hears of a batch. */
function struck(wires: readonly Wire[], { fault, mask }: Step): readonly Wire[] {
  const hit = (i: number) => ((mask >> (i % 16)) & 1) === 1;
  if (fault === "lose") return wires.filter((_wire, i) => !hit(i));
  if (fault === "tail" || fault === "damage") {
    return wires.map((wire, i) => {
      if (wire.kind !== "side" || !hit(i)) return wire;
      const bytes = Buffer.from(wire.bytes);
      // The last four bytes are the body's, or the checksum's where there is no body: never a number of the record.
      const at = fault === "tail" ? bytes.length - 1 - (mask % 4) : (mask * 31) % bytes.length;
      bytes[at]! ^= 1 << (mask % 8);
      return { ...wire, bytes };
    });
  }
  // Channels overtake each other, frames of one channel do not.
  if (fault === "reorder")
    return [...wires].sort((a, b) => (a.channel < b.channel ? 1 : a.channel > b.channel ? -1 : 0));
  return wires;
}

function property(
  name: string,
  arbitrary: fc.Arbitrary<Step[]>,
  body: (run: Run, steps: Step[]) => void,
  options: NetworkOptions = {},
): void {
  test(name, (t) => {
    let runs = 0;
    fc.assert(
      fc.property(arbitrary, (all) => {
        runs++;
        body(new Run(options), all);
      }),
      {
        numRuns: 1_000_000,
        includeErrorInReport: true,
        interruptAfterTimeLimit: BUDGET_MS,
        seed: Number(process.env.FC_SEED ?? Date.now() % 0x7fffffff),
      },
    );
    t.diagnostic(`${runs} runs`);
  });
}

property("without faults everything arrives exactly once, in order, without a question", steps([]), (run, all) => {
  for (const step of all) run.do(step);
  run.check();
  const sent = run.network.pods.reduce((sum, pod) => sum + pod.published.length, 0);
  for (const pod of run.network.pods) {
    assert.equal(pod.delivered.length, sent);
    assert.deepEqual([...pod.counts], []);
  }
});

property(
  "what is lost, repeated or goes raw is never delivered twice or out of order, and everything heals",
  steps(["lose", "repeat", "raw"]),
  (run, all) => {
    for (const step of all) run.do(step);
    run.calm();
    run.check();
  },
);

property(
  "damaged bodies and late joins deliver nothing that was not published, and everything heals",
  steps(["tail", "lose", "restart"]),
  (run, all) => {
    for (const step of all) run.do(step);
    run.calm();
    run.check();
  },
);

property(
  "senders that forget their streams, and channels that overtake each other, lose nothing for good",
  steps(["lose", "reorder", "repeat", "restart"]),
  (run, all) => {
    for (const step of all) run.do(step);
    run.calm();
    run.check("channels");
  },
  { senderStreams: 3 },
);

property(
  "receivers that forget streams and have little room to hold deliver in order, and within their room",
  steps(["lose", "raw", "restart"]),
  (run, all) => {
    for (const step of all) run.do(step);
    // So few streams are kept that they may never all be there; what matters is that nothing gets stuck.
    run.network.pass(limits.holdMs * 2 + 100);
    run.checkNothingWaits();
    run.check();
    for (const pod of run.network.pods) assert.ok(pod.mostHeldBytes <= 6_000, `${pod.mostHeldBytes} bytes held`);
  },
  { receiverStreams: 6, receiverBytes: 12_000, holdBytes: 6_000 },
);

property(
  "a message damaged anywhere never becomes a frame that nobody published",
  steps(["damage", "lose"]),
  (run, all) => {
    for (const step of all) run.do(step);
    for (const pod of run.network.pods) for (const life of pod.lives) checkPublished(run.network.pods, life);
  },
);
