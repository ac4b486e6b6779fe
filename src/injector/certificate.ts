/**
 * The webhook's certificate and key from two files, looked at again and again: a Secret that is mounted changes by the
 * swap of a link, and cert-manager and our own job both renew it under a running process.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { KeyframeError } from "../core/errors.js";
import type { Counter, Log, Meter } from "../core/ports.js";

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly everyMs: number;
}

export class CertificateFiles {
  readonly #options: CertificateOptions;
  readonly #log: Log;
  readonly #used: Counter;
  readonly #refused: Counter;
  #current: KeyPair = { cert: "", key: "" };
  /** The last pair that did not fit; it is complained about once. */
  #wrong: KeyPair = { cert: "", key: "" };
  #expiresAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CertificateOptions, log: Log, meter: Meter) {
    this.#options = options;
    this.#log = log;
    const loads = (outcome: string) => meter.counter("keyframe_injector_certificate_loads_total", { outcome });
    this.#used = loads("used");
    this.#refused = loads("refused");
    meter.gauge("keyframe_injector_certificate_expiry_seconds", () => this.#expiresAt / 1000);
  }

  /** Milliseconds since the epoch. */
  get expiresAt(): number {
    return this.#expiresAt;
  }

  /** Reads the files for the first time. @throws KeyframeError "config" where they cannot be used */
  async load(): Promise<KeyPair> {
    try {
      return this.#take(await this.#read());
    } catch (error) {
      this.#refused.inc();
      throw new KeyframeError("config", `the webhook's certificate: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Looks at the files from now on, and hands over what is new and fits together. */
  watch(changed: (pair: KeyPair) => void): void {
    const look = async () => {
      await this.#look(changed);
      if (this.#timer !== undefined) this.#timer = setTimeout(look, this.#options.everyMs).unref();
    };
    this.#timer = setTimeout(look, this.#options.everyMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #look(changed: (pair: KeyPair) => void): Promise<void> {
    let pair: KeyPair = { cert: "", key: "" };
    try {
      pair = await this.#read();
      if (same(pair, this.#current) || same(pair, this.#wrong)) return;
      changed(this.#take(pair));
      this.#log.info("certificate-renewed", { expires: new Date(this.#expiresAt).toISOString() });
    } catch (error) {
      // Halfway through a change the two do not fit; the next look finds them whole. The old pair serves on.
      if (same(pair, this.#wrong) && pair.cert !== "") return;
      this.#wrong = pair;
      this.#refused.inc();
      this.#log.warn("certificate-refused", { reason: (error as Error).message, consequence: "the old one is used" });
    }
  }

  async #read(): Promise<KeyPair> {
    const { certFile, keyFile } = this.#options;
    const [cert, key] = await Promise.all([readFile(certFile, "utf8"), readFile(keyFile, "utf8")]);
    return { cert, key };
  }

  #take(pair: KeyPair): KeyPair {
    const certificate = new X509Certificate(pair.cert);
    if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) throw new Error("the key is another certificate's");
    createSecureContext({ cert: pair.cert, key: pair.key });
    this.#current = pair;
    this.#expiresAt = Date.parse(certificate.validTo);
    this.#used.inc();
    return pair;
  }
}

function same(a: KeyPair, b: KeyPair): boolean {
  return a.cert === b.cert && a.key === b.key;
}
