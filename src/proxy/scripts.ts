/**
 * EVAL: once a script's body has been seen, its SHA-1 goes to the server in its place.
 *
 *   own ─▶ scripts ─┬─ a body seen before ─▶ EVALSHA ─▶ upstream, which runs it, or does not know it ─▶ the EVAL itself
 *                   └─ anything else ──────▶ the EVAL as it is
 *
 * Open WebUI 0.12 sends the same script with every token of an answer, and the script is longer than the token. The app
 * cannot tell the difference: a script that runs says the same either way, and one that the server does not know, or that
 * this user may only send whole, is sent whole before the app hears anything. Nothing behind it is read until then, so
 * that it keeps its place. Where more has been read already, the EVAL passes as it is: to hold a pipeline back would cost
 * a round trip, which is dearer than a body.
 */
import type { Clock, Counter, Log, Meter } from "../core/ports.js";
import type { RequestDecoder } from "../resp/request.js";
import type { Binding } from "./binding.js";
import type { Requests } from "./requests.js";
import { ScriptTable, type ScriptTableLimits } from "./script-table.js";
import type { Session } from "./session.js";

const STAR = 0x2a;
const HEAD = "\r\n$7\r\nEVALSHA\r\n$40\r\n";
/** All servers begin so; some go on with advice. */
const UNKNOWN: Buffer = Buffer.from("-NOSCRIPT No matching script");
const DENIED: Buffer = Buffer.from("-NOPERM ");
/** What is denied, as all servers name it in that error. */
const EVALSHA_NAMED: Buffer = Buffer.from("'evalsha'");
/** After a denial every EVAL goes whole for this long: rights seldom change, and to ask costs a round trip. */
const DENIED_MS = 60_000;

/** What all connections share: the bodies, and what came of them. */
export class Scripts {
  readonly saved: Counter;
  readonly unknown: Counter;
  readonly #denied: Counter;
  readonly #short: Counter;
  readonly #whole: Counter;
  readonly #table: ScriptTable;
  readonly #clock: Clock;
  readonly #log: Log;
  #deniedUntil: number | undefined;

  constructor(limits: ScriptTableLimits, clock: Clock, log: Log, meter: Meter) {
    const hits = {
      scripts: meter.counter("keyframe_limit_hits_total", { limit: "scripts" }),
      scriptBytes: meter.counter("keyframe_limit_hits_total", { limit: "scriptBytes" }),
    };
    this.#table = new ScriptTable(limits, (limit) => hits[limit].inc());
    this.#clock = clock;
    this.#log = log;
    this.saved = meter.counter("keyframe_script_saved_bytes_total");
    this.unknown = meter.counter("keyframe_script_fallbacks_total", { reason: "unknown" });
    this.#denied = meter.counter("keyframe_script_fallbacks_total", { reason: "denied" });
    this.#short = meter.counter("keyframe_script_calls_total", { form: "sha" });
    this.#whole = meter.counter("keyframe_script_calls_total", { form: "whole" });
    meter.gauge("keyframe_scripts", () => this.#table.count);
    meter.gauge("keyframe_script_bytes", () => this.#table.bytes);
  }

  /** @returns the SHA-1 that may be sent in place of this body, if any */
  shaOf(body: Buffer): Buffer | undefined {
    if (this.#deniedUntil !== undefined && this.#clock.now() < this.#deniedUntil) return undefined;
    return this.#table.look(body);
  }

  sent(form: "sha" | "whole"): void {
    (form === "sha" ? this.#short : this.#whole).inc();
  }

  /** The server's user may not send EVALSHA. */
  denied(): void {
    this.#denied.inc();
    if (this.#deniedUntil === undefined) {
      const consequence = "scripts of apps are sent whole; asked again once a minute";
      this.#log.info("evalsha-denied", { consequence });
    }
    this.#deniedUntil = this.#clock.now() + DENIED_MS;
  }
}

/** The EVALs of one app connection. */
export class ScriptCalls {
  readonly #scripts: Scripts;
  readonly #session: Session;
  readonly #requests: Requests;
  readonly #decoder: RequestDecoder;
  readonly #binding: Binding;
  /** The EVAL that the one on its way stands for. */
  #original: Buffer | undefined;
  #savedBytes = 0;

  constructor(scripts: Scripts, session: Session, requests: Requests, decoder: RequestDecoder, binding: Binding) {
    this.#scripts = scripts;
    this.#session = session;
    this.#requests = requests;
    this.#decoder = decoder;
    this.#binding = binding;
  }

  /** Passes the EVAL at hand, short where that is possible. */
  take(): void {
    const sha = this.#sha();
    if (sha === undefined) {
      this.#scripts.sent("whole");
      this.#requests.pass(1);
      return;
    }
    this.#scripts.sent("sha");
    const request = this.#decoder.raw()[0]!;
    const body = this.#decoder.arg(1);
    const rest = request.subarray(body.byteOffset - request.byteOffset + body.length);
    const head = `*${this.#decoder.argc}${HEAD}`;
    const short = Buffer.allocUnsafe(head.length + sha.length + rest.length);
    short.write(head, 0, "latin1");
    sha.copy(short, head.length);
    rest.copy(short, head.length + sha.length);
    this.#original = request;
    this.#savedBytes = request.length - short.length;
    this.#requests.passInstead(short, (replies) => replies.expectJudged((error) => this.#refused(error)));
    this.#requests.block();
    this.#requests.whenAnswered(() => this.#answered());
  }

  /** The hash that may stand for the body of the EVAL at hand. */
  #sha(): Buffer | undefined {
    const decoder = this.#decoder;
    // In a transaction the server would only queue it, and on a tied connection (SCRIPT DEBUG, tracking) it may mean more;
    // what is unanswered may be what ties it.
    if (decoder.argc < 3 || this.#binding.bound || this.#requests.outstanding || !this.#requests.alone)
      return undefined;
    // An inline request.
    if (decoder.raw()[0]![0] !== STAR) return undefined;
    return this.#scripts.shaOf(decoder.arg(1));
  }

  /** @returns true where the server has not run the script, and the whole EVAL is on its way in place of this error */
  #refused(error: Buffer): boolean {
    if (startsWith(error, UNKNOWN)) this.#scripts.unknown.inc();
    else if (startsWith(error, DENIED) && error.includes(EVALSHA_NAMED)) this.#scripts.denied();
    else return false;
    this.#session.replies.expect(1);
    this.#session.forward(this.#original!);
    this.#savedBytes = 0;
    return true;
  }

  #answered(): void {
    this.#original = undefined;
    this.#scripts.saved.inc(this.#savedBytes);
    this.#requests.unblock();
  }
}

function startsWith(bytes: Buffer, beginning: Buffer): boolean {
  return bytes.length >= beginning.length && bytes.compare(beginning, 0, beginning.length, 0, beginning.length) === 0;
}
