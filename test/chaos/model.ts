/**
 * The checker's own idea of what happened, fed with what was published, with which answer, and what each subscriber (an
 * _ear_) heard. Pure: times are given. It shares nothing with the code under test; a payload is its digest.
 *
 * Always, of everybody behind a sidecar: no wrong byte, nothing on another channel, nothing twice, and the frames of a
 * chat in the order in which they were published. While neither the pod that publishes nor the one that listens is
 * disturbed, everything that was answered arrives, and nothing is refused; that includes the final frames of all chats,
 * which are published after each round's faults have healed.
 */

/** "late": the app did not wait any longer, and does not know. "unsure": nor does it where its connection has ended. */
export type Outcome = "waiting" | "ok" | "error" | "unsure" | "late";
export type ViolationKind =
  | "wrong"
  | "channel"
  | "duplicate"
  | "reorder"
  | "lost"
  | "final"
  | "refused"
  | "cut-off"
  | "uncounted";

export interface Violation {
  readonly kind: ViolationKind;
  readonly at: number;
  readonly text: string;
  readonly frame: Published | undefined;
}

/** One PUBLISH. */
export interface Published {
  readonly domain: Domain;
  /** Place in its domain, from 0. */
  readonly place: number;
  readonly channel: string;
  readonly digest: string;
  readonly final: boolean;
  /** Where the publisher is; a pod's number, or -1 at the server itself. */
  readonly pod: number;
  /** Just before the PUBLISH was written. */
  readonly at: number;
  /** What it went over, for people. */
  readonly via: string;
  readonly excerpt: string;
  outcome: Outcome;
  answeredAt: number;
  /** What was answered, where it is no count. */
  answer: string;
  /** When each ear heard it, by the ear's number. */
  readonly heard: Map<number, number>;
  /** The same bytes were published more than once: which of them was heard cannot be told. */
  repeated: boolean;
}

/** An order domain: a chat of one emitter. */
export class Domain {
  readonly frames: Published[] = [];
  readonly byDigest = new Map<string, Published[]>();

  constructor(readonly name: string) {}
}

interface Span {
  readonly from: number;
  to: number;
}

const open = (spans: readonly Span[], at: number) => spans.some(({ from, to }) => from <= at && at < to);

/** A subscriber over all its connections. */
export class Ear {
  /** Times of each channel at which its subscription was acknowledged and the connection lived. */
  readonly spans = new Map<string, Span[]>();
  /** Times at which it may miss what it likes, but for finals that come later. */
  readonly excused: Span[] = [];
  /** The place of the last frame heard, by domain. */
  readonly cursors = new Map<Domain, number>();
  readonly counts = new Map<string, number>();
  heard = 0;

  constructor(
    readonly number: number,
    readonly name: string,
    /** The pod it is in, or -1 at the server itself. */
    readonly pod: number,
  ) {}

  subscribed(channel: string, at: number): void {
    const spans = this.spans.get(channel);
    const span = { from: at, to: Number.POSITIVE_INFINITY };
    if (spans === undefined) this.spans.set(channel, [span]);
    else spans.push(span);
  }

  /** The connection has ended, or is about to. */
  lost(at: number): void {
    for (const spans of this.spans.values()) {
      const last = spans.at(-1)!;
      if (last.to > at) last.to = at;
    }
  }

  listens(channel: string, at: number): boolean {
    return open(this.spans.get(channel) ?? [], at);
  }
}

export class Model {
  readonly ears: Ear[] = [];
  readonly violations: Violation[] = [];
  readonly domains = new Map<string, Domain>();
  /** Checks that were made, by what they would have found. */
  readonly checked = { payloads: 0, strict: 0, finals: 0 };
  #recent: Published[] = [];
  readonly #byDigest = new Map<string, Domain>();
  readonly #disturbed: Span[][];
  /** SIGKILL of each pod's sidecar. */
  readonly #kills: number[][];

  constructor(readonly pods: number) {
    this.#disturbed = Array.from({ length: pods + 1 }, () => []);
    this.#kills = Array.from({ length: pods + 1 }, () => []);
  }

  ear(name: string, pod: number): Ear {
    const ear = new Ear(this.ears.length, name, pod);
    this.ears.push(ear);
    return ear;
  }

  /** Call it before the PUBLISH is written. */
  publish(
    domainName: string,
    frame: Pick<Published, "channel" | "digest" | "final" | "pod" | "at" | "via" | "excerpt">,
  ): Published {
    let domain = this.domains.get(domainName);
    if (domain === undefined) {
      domain = new Domain(domainName);
      this.domains.set(domainName, domain);
    }
    const published: Published = {
      ...frame,
      domain,
      place: domain.frames.length,
      outcome: "waiting",
      answeredAt: 0,
      answer: "",
      heard: new Map(),
      repeated: false,
    };
    domain.frames.push(published);
    const same = domain.byDigest.get(frame.digest);
    if (same === undefined) domain.byDigest.set(frame.digest, [published]);
    else {
      same.push(published);
      for (const one of same) one.repeated = true;
    }
    this.#byDigest.set(frame.digest, domain);
    this.#recent.push(published);
    return published;
  }

  answered(frame: Published, outcome: Exclude<Outcome, "waiting">, at: number, answer = ""): void {
    frame.outcome = outcome;
    frame.answeredAt = at;
    frame.answer = answer;
    if (
      outcome !== "ok" &&
      outcome !== "late" &&
      !this.isDisturbed(frame.pod, frame.at) &&
      !this.isDisturbed(frame.pod, at)
    ) {
      this.#violate("refused", at, `a PUBLISH in pod ${frame.pod} ended with: ${answer}`, frame);
    }
  }

  heard(ear: Ear, channel: string, digest: string, at: number): void {
    this.checked.payloads++;
    ear.heard++;
    const domain = this.#byDigest.get(digest);
    if (domain === undefined) {
      this.#violate("wrong", at, `${ear.name} heard on ${channel} what nobody has published: ${digest}`, undefined);
      return;
    }
    const same = domain.byDigest.get(digest)!;
    const count = (ear.counts.get(digest) ?? 0) + 1;
    ear.counts.set(digest, count);
    const here = same.filter((frame) => frame.channel === channel);
    if (here.length === 0) {
      this.#violate("channel", at, `${ear.name} heard on ${channel} what went to ${same[0]!.channel}`, same[0]);
      return;
    }
    if (count > here.length) {
      this.#violate(
        "duplicate",
        at,
        `${ear.name} heard ${count} times what was published ${here.length} times`,
        here[0],
      );
      return;
    }
    const cursor = ear.cursors.get(domain) ?? -1;
    const frame = here.find(({ place }) => place > cursor);
    if (frame === undefined) {
      const text = `${ear.name} heard number ${here.at(-1)!.place} of ${domain.name} behind number ${cursor}`;
      this.#violate("reorder", at, text, here.at(-1));
      return;
    }
    ear.cursors.set(domain, frame.place);
    frame.heard.set(ear.number, at);
  }

  /** From now on (a little before the harm) a pod may lose frames; -1 stands for those at the server itself. */
  disturb(pod: number, at: number): void {
    if (!this.isDisturbed(pod, at)) this.#of(this.#disturbed, pod).push({ from: at, to: Number.POSITIVE_INFINITY });
  }

  calm(pod: number, at: number): void {
    const last = this.#of(this.#disturbed, pod).at(-1);
    if (last !== undefined && last.to > at) last.to = at;
  }

  isDisturbed(pod: number, at: number): boolean {
    return open(this.#of(this.#disturbed, pod), at);
  }

  killed(pod: number, at: number): void {
    this.#of(this.#kills, pod).push(at);
  }

  /** An ear's connection was lost; a violation where nothing was done to it. */
  lostEar(ear: Ear, at: number, why: string): void {
    ear.lost(at);
    if (this.isDisturbed(ear.pod, at) || open(ear.excused, at)) return;
    this.#violate("cut-off", at, `${ear.name} lost its connection: ${why}`, undefined);
  }

  /** Pairs of a frame that was published by then and an ear that must have heard it, and has not yet. */
  missing(until: number): { frame: Published; ear: Ear }[] {
    const found: { frame: Published; ear: Ear }[] = [];
    for (const frame of this.#recent) {
      if (frame.at > until) break;
      if (frame.outcome !== "ok" || frame.repeated) continue;
      for (const ear of this.ears) {
        if (this.#owes(ear, frame) && !frame.heard.has(ear.number)) found.push({ frame, ear });
      }
    }
    return found;
  }

  /** True where something that was published by then has neither been answered nor arrived everywhere that it must. */
  underWay(until: number): boolean {
    const waits = (frame: Published) => frame.at <= until && frame.outcome === "waiting";
    return this.#recent.some(waits) || this.missing(until).length > 0;
  }

  #owes(ear: Ear, frame: Published): boolean {
    const { channel, at, pod, answeredAt } = frame;
    if (!ear.listens(channel, at) || open(ear.excused, at)) return false;
    return [pod, ear.pod].every((one) => !this.isDisturbed(one, at) && !this.isDisturbed(one, answeredAt));
  }

  /**
   * Ends a round, once what was published until then has had its time to arrive: what is missing now stays missing.
   * @param counted frames that the sidecars have counted as undelivered in this round
   */
  endRound(until: number, at: number, counted: number): RoundSummary {
    for (const { frame, ear } of this.missing(until)) {
      const kind = frame.final ? "final" : "lost";
      const text = `${ear.name} has not heard number ${frame.place} of ${frame.domain.name}, published in calm`;
      this.#violate(kind, at, text, frame);
    }
    const summary: RoundSummary = {
      published: 0,
      ok: 0,
      error: 0,
      unsure: 0,
      late: 0,
      unheard: 0,
      excused: 0,
      missed: {},
      roughEnds: 0,
      roughEndsHeard: 0,
    };
    const lost: Published[] = [];
    const ended = (frame: Published) => frame.at <= until && frame.outcome !== "waiting";
    for (const frame of this.#recent.filter(ended)) {
      summary.published++;
      summary[frame.outcome as Exclude<Outcome, "waiting">]++;
      if (frame.outcome !== "ok" || frame.repeated) continue;
      for (const ear of this.ears) {
        if (!ear.listens(frame.channel, frame.at)) continue;
        if (this.#owes(ear, frame)) {
          this.checked.strict++;
          if (frame.final) this.checked.finals++;
        } else if (frame.final) {
          summary.roughEnds++;
          if (frame.heard.has(ear.number)) summary.roughEndsHeard++;
        }
        if (!frame.heard.has(ear.number)) summary.missed[ear.name] = (summary.missed[ear.name] ?? 0) + 1;
      }
      const wanted = this.ears.some((ear) => ear.pod >= 0 && ear.listens(frame.channel, frame.at));
      if (frame.heard.size > 0 || !wanted || frame.pod < 0) continue;
      summary.unheard++;
      if (this.#killedWith(frame)) summary.excused++;
      else lost.push(frame);
    }
    if (lost.length > counted) {
      const text = `${lost.length} answered frames were heard by nobody, and ${counted} counted as undelivered`;
      this.#violate("uncounted", at, text, lost[0]);
    }
    this.#recent = this.#recent.filter((frame) => !ended(frame));
    return summary;
  }

  /** It may have been with the sidecar when that was killed. */
  #killedWith(frame: Published): boolean {
    return this.#of(this.#kills, frame.pod).some((at) => at >= frame.at && at < frame.at + QUEUE_WAIT_MS);
  }

  #of<T>(lists: T[], pod: number): T {
    return lists[pod < 0 ? this.pods : pod]!;
  }

  #violate(kind: ViolationKind, at: number, text: string, frame: Published | undefined): void {
    this.violations.push({ kind, at, text, frame });
  }
}

/** How long an accepted frame may be with a sidecar: KEYFRAME_QUEUE_WAIT and a little. */
const QUEUE_WAIT_MS = 12_000;

export interface RoundSummary {
  published: number;
  ok: number;
  error: number;
  unsure: number;
  late: number;
  /** Answered, and heard by no ear. */
  unheard: number;
  /** Of those: with a sidecar that was killed. */
  excused: number;
  /** Answered and not heard, by ear. */
  missed: Record<string, number>;
  /** Pairs of a final frame that was published while something was broken and an ear that was subscribed then. */
  roughEnds: number;
  /** Of those: where it arrived nevertheless. */
  roughEndsHeard: number;
}

/** What was published around a frame, by whom, with which answer, and who heard it when. */
export function history(model: Model, frame: Published, around = 6): string {
  const base = frame.at;
  const time = (at: number) => `${at >= base ? "+" : ""}${(at - base).toFixed(0)} ms`;
  const lines = [`${frame.domain.name}, times from the publishing of number ${frame.place}:`];
  for (const one of frame.domain.frames.slice(Math.max(0, frame.place - around), frame.place + around + 1)) {
    const mark = one === frame ? ">" : " ";
    lines.push(
      `${mark} ${one.place} ${time(one.at)} over ${one.via}: ${one.outcome}${one.answer === "" ? "" : ` (${one.answer})`} ` +
        `${one.answeredAt === 0 ? "" : time(one.answeredAt)}${one.final ? " final" : ""}${one.repeated ? " repeated" : ""} ${one.channel} ${one.digest}`,
    );
    const heard = model.ears
      .filter((ear) => ear.listens(one.channel, one.at) || one.heard.has(ear.number))
      .map((ear) => `${ear.name} ${one.heard.has(ear.number) ? time(one.heard.get(ear.number)!) : "not"}`);
    lines.push(`    heard: ${heard.join(", ")}`);
  }
  lines.push(`  payload: ${frame.excerpt}`);
  return lines.join("\n");
}
