/**
 * Finds the master through Sentinel and notices when it moves. What sentinels push is a hint; the address comes from
 * asking all of them, and is proved at the server itself before anybody is sent there.
 */
import { KeyframeError } from "../core/errors.js";
import type { Clock, Counter, Log, Meter } from "../core/ports.js";
import { type Address, sameAddress, showAddress } from "./address.js";
import { type Choice, choose, type Disagreement, type Known, unanimous } from "./choose.js";
import { Clients, type Login } from "./client.js";
import { KnownSentinels } from "./known.js";
import type { TlsOptions } from "./open.js";
import { prove, type Refusal } from "./proof.js";
import { askAll, askOne, type Outcome } from "./question.js";
import { type Resolver, Unsettled } from "./resolver.js";
import { SentinelWatch } from "./watch.js";

export interface SentinelOptions {
  nodes: readonly Address[];
  /** Name of the master group; case matters, as it does to Sentinel. */
  master: string;
  /** For the sentinels themselves. */
  login: Login;
  /** For the servers behind them, to ask for their role. */
  serverLogin: Login;
  /** For both. */
  tls: TlsOptions | undefined;
  /** Deadline for one sentinel's answer, and for the master's own, milliseconds. */
  timeoutMs: number;
}

type Heard = "sentinel" | "suspicion";
type Verdict = Choice | { kind: "unresolved"; text: string };

/** An address that was proved is good for this long: a burst of dials costs one question. */
const PROOF_MS = 1_000;
/** Between two questions that nobody's dial waits for. */
const RECHECK_MS = 100;
/** While sentinels do not agree on a switch that one of them has told of, they are asked again this often at most. */
const RECHECKS = 50;
/** Without any hint, all are asked this often: pushes can be denied by an ACL, or lost. */
const POLL_MS = 10_000;
/** The same complaint is logged once in this time. */
const REPEAT_LOG_MS = 5_000;

export class SentinelResolver implements Resolver {
  readonly moves = true;
  readonly #options: SentinelOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #sentinels: Clients;
  readonly #servers: Clients;
  readonly #known: KnownSentinels;
  readonly #watch: SentinelWatch;
  readonly #switches: Counter;
  readonly #timeouts: Counter;
  readonly #refusals: Record<Disagreement | Refusal["reason"], Counter>;
  #moved: (to: Address) => void = () => {};
  /** The master as far as we know, and the epoch that said so. */
  #current: Address | undefined;
  #epoch = -1;
  /** How many sentinels there were when they named it. */
  #total = 1;
  #provedAt = Number.NEGATIVE_INFINITY;
  #resolving: Promise<Address> | undefined;
  /** The one question under way. */
  #asking: Promise<Verdict> | undefined;
  #rechecking = false;
  #again: Heard | undefined;
  #wake: () => void = () => {};
  #poll: NodeJS.Timeout | undefined;
  #logged = { text: "", at: Number.NEGATIVE_INFINITY };
  #started = false;
  #closed = false;

  constructor(options: SentinelOptions, log: Log, meter: Meter, clock: Clock) {
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
    const { tls, timeoutMs } = options;
    this.#sentinels = new Clients({ ...options.login, tls, timeoutMs });
    this.#servers = new Clients({ ...options.serverLogin, tls, timeoutMs });
    this.#known = new KnownSentinels(options.nodes);
    this.#watch = new SentinelWatch(
      this.#sentinels,
      { master: options.master, pingMs: 5_000, backoffMinMs: 100, backoffMaxMs: 5_000 },
      {
        switched: () => this.#recheck("sentinel"),
        hearing: () => this.#recheck("sentinel"),
        announced: (address) => {
          if (this.#known.learn(address, this.#clock.now())) this.#watch.follow(this.#known.all());
        },
      },
    );
    this.#switches = meter.counter("keyframe_master_switches_total");
    this.#timeouts = meter.counter("keyframe_sentinel_timeouts_total");
    const refusal = (reason: string) => meter.counter("keyframe_master_refusals_total", { reason });
    this.#refusals = {
      not_master: refusal("not_master"),
      loading: refusal("loading"),
      unreachable: refusal("unreachable"),
      minority: refusal("minority"),
      split: refusal("split"),
      stale: refusal("stale"),
    };
    meter.gauge("keyframe_sentinels", () => this.#known.all().length, { state: "known" });
    meter.gauge("keyframe_sentinels", () => this.#watch.connected, { state: "connected" });
  }

  /**
   * The address that the sentinels name and that has said itself that it is the master, at most a second ago.
   * @throws Unsettled while sentinels disagree or the named server is not fit
   * @throws KeyframeError "upstream" when no sentinel names a master; the message says what each of them answered.
   */
  resolve(): Promise<Address> {
    if (this.#closed) return Promise.reject(new KeyframeError("upstream", "the sidecar is ending"));
    this.#start();
    if (this.#current !== undefined && this.#clock.now() - this.#provedAt < PROOF_MS) {
      return Promise.resolve(this.#current);
    }
    this.#resolving ??= this.#find().finally(() => {
      this.#resolving = undefined;
    });
    return this.#resolving;
  }

  invalidate(): void {
    this.#provedAt = Number.NEGATIVE_INFINITY;
  }

  suspect(reason: string): void {
    this.#log.debug("master-suspected", { reason });
    this.#recheck("suspicion");
  }

  onMove(moved: (to: Address) => void): void {
    this.#moved = moved;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    this.#wake();
    this.#watch.close();
    this.#sentinels.close();
    this.#servers.close();
  }

  #start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    this.#watch.follow(this.#known.all());
    this.#poll = setInterval(() => this.#recheck("sentinel"), POLL_MS);
  }

  async #find(): Promise<Address> {
    const verdict = await this.#ask(false);
    const name = `"${this.#options.master}"`;
    if (verdict.kind === "unresolved") throw new KeyframeError("upstream", verdict.text);
    if (verdict.kind === "refused") throw new Unsettled(`master ${name} is not settled: ${verdict.text}`);
    const { address } = verdict;
    const refusal = await prove(this.#servers, address);
    if (refusal !== undefined) {
      this.#refusals[refusal.reason].inc();
      const message = `the sentinels name ${showAddress(address)} as master ${name}, but it ${refusal.text}`;
      throw refusal.permanent ? new KeyframeError("upstream", message) : new Unsettled(message);
    }
    if (this.#current === undefined || !sameAddress(address, this.#current)) {
      throw new Unsettled(`upstream ${showAddress(address)} is no longer the master`);
    }
    this.#provedAt = this.#clock.now();
    return address;
  }

  /**
   * Asks all sentinels, or joins the question under way, and acts on the answer.
   * @param patient  a majority that names what we know already does not end the question
   */
  #ask(patient: boolean, heard: () => Heard = () => "sentinel"): Promise<Verdict> {
    this.#asking ??= this.#question(patient)
      .then((outcome) => this.#decide(outcome, heard()))
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  #question(patient: boolean): Promise<Outcome> {
    const { master } = this.#options;
    return askAll({
      master,
      nodes: this.#known.all(),
      ask: (node) => askOne(this.#sentinels, node, master),
      learn: (others) => {
        const fresh = others.filter((other) => this.#known.learn(other, this.#clock.now()));
        if (fresh.length > 0 && !this.#closed) this.#watch.follow(this.#known.all());
        return fresh;
      },
      enough: (answers) => {
        const named = unanimous(answers, this.#before());
        if (named === undefined) return false;
        return !patient || this.#current === undefined || !sameAddress(named, this.#current);
      },
      over: (answered, failed) => {
        for (const { silent } of failed) if (silent) this.#timeouts.inc();
        if (answered.length === 0 || this.#closed) return;
        for (const node of answered) this.#known.answered(node);
        for (const { node } of failed) this.#known.failed(node, this.#clock.now());
        this.#watch.follow(this.#known.all());
      },
    });
  }

  #before(): Known {
    return { epoch: this.#epoch, total: Math.max(this.#total, this.#options.nodes.length) };
  }

  #decide({ answers, refusals }: Outcome, heard: Heard): Verdict {
    if (answers.length === 0) {
      const { master } = this.#options;
      // In the order of their addresses, so that the same answers are the same complaint.
      refusals.sort();
      this.#complain("sentinel-unresolved", { master, answers: refusals });
      return { kind: "unresolved", text: `no sentinel names a master: ${refusals.join("; ")}` };
    }
    const choice = choose(answers, this.#before());
    if (choice.kind === "refused") {
      this.#refusals[choice.reason].inc();
      this.#complain("sentinels-disagree", {
        master: this.#options.master,
        reason: choice.reason,
        answers: choice.text,
      });
    } else if (!this.#closed) {
      this.#total = choice.total;
      this.#settle(choice.address, choice.epoch, heard);
    }
    return choice;
  }

  /** The sentinels have spoken: what goes elsewhere ends now. */
  #settle(to: Address, epoch: number, heard: Heard): void {
    const from = this.#current;
    this.#current = to;
    this.#epoch = epoch;
    if (from === undefined || sameAddress(from, to)) return;
    this.invalidate();
    this.#switches.inc();
    this.#log.warn("master-switched", { from: showAddress(from), to: showAddress(to), heard });
    this.#moved(to);
  }

  /** Asks anew in the background: one question at a time, however often it is called. */
  #recheck(heard: Heard): void {
    if (this.#closed || !this.#started) return;
    this.invalidate();
    // What a sentinel says outweighs what somebody suspects.
    if (this.#again !== "sentinel") this.#again = heard;
    if (this.#rechecking) return;
    this.#rechecking = true;
    void this.#recheckAll().finally(() => {
      this.#rechecking = false;
      // Something was heard in the very moment in which the last answer came.
      if (this.#again !== undefined) this.#recheck(this.#again);
    });
  }

  async #recheckAll(): Promise<void> {
    let heard: Heard = "sentinel";
    for (let left = RECHECKS; left > 0 && !this.#closed; left--) {
      // A question under way may have been answered before what was heard.
      await this.#asking;
      heard = this.#again ?? heard;
      this.#again = undefined;
      const verdict = await this.#ask(true, () => this.#again ?? heard);
      if (this.#again !== undefined) left = RECHECKS;
      else if (verdict.kind !== "refused") return;
      await this.#pause(RECHECK_MS);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #complain(event: string, fields: Record<string, unknown>): void {
    const text = JSON.stringify([event, fields]);
    const now = this.#clock.now();
    if (this.#closed || (text === this.#logged.text && now - this.#logged.at < REPEAT_LOG_MS)) return;
    this.#logged = { text, at: now };
    this.#log.warn(event, fields);
  }
}
