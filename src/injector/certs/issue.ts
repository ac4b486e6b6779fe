/**
 * A certificate for the webhook, signed by an authority that is made for it alone and whose key is forgotten at once:
 * there is nothing to steal, and a renewal is a new authority. The API server trusts it through the caBundle.
 */
import { randomBytes, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { generate } from "selfsigned";

export interface Issued {
  /** PEM texts. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const LIFE_MS = 365 * 24 * 3600 * 1000;
/** Clocks of nodes differ. */
const SKEW_MS = 5 * 60 * 1000;

/** The names under which an API server calls a Service. */
export function serviceNames(service: string, namespace: string): string[] {
  const inCluster = `${service}.${namespace}.svc`;
  return [inCluster, `${inCluster}.cluster.local`, `${service}.${namespace}`, service];
}

/** Makes an authority and a certificate for these host names and IP addresses, for a year from now. */
export async function issue(names: readonly string[], now: number): Promise<Issued> {
  const valid = { notBeforeDate: new Date(now - SKEW_MS), notAfterDate: new Date(now + LIFE_MS) };
  const common = { keyType: "ec", algorithm: "sha256", ...valid } as const;
  // A name of its own, so that two authorities in one bundle are told apart.
  const authority = await generate([{ name: "commonName", value: `keyframe ${randomBytes(8).toString("hex")}` }], {
    ...common,
    extensions: [
      { name: "basicConstraints", cA: true, pathLenConstraint: 0, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const altNames = names.map((name) =>
    isIP(name) ? ({ type: 7, ip: name } as const) : ({ type: 2, value: name } as const),
  );
  const made = await generate([{ name: "commonName", value: names[0]!.slice(0, 64) }], {
    ...common,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames },
    ],
  });
  return { ca: authority.cert, cert: made.cert, key: made.private };
}

/** Why a certificate cannot serve on, or undefined where it can. */
export function flawOf(issued: Partial<Issued>, names: readonly string[], renewBeforeMs: number, now: number) {
  const { ca, cert, key } = issued;
  if (!ca || !cert || !key) return "is not complete";
  try {
    const [authority, certificate] = [new X509Certificate(ca), new X509Certificate(cert)];
    if (!certificate.verify(authority.publicKey)) return "is not signed by its authority";
    const missing = names.find((name) => !(isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)));
    if (missing !== undefined) return `is not for ${missing}`;
    const left = Math.min(Date.parse(certificate.validTo), Date.parse(authority.validTo)) - now;
    if (left <= 0) return "has expired";
    return left <= renewBeforeMs ? "expires soon" : undefined;
  } catch {
    return "cannot be read";
  }
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM bundle, each a text of its own. */
export function certificatesOf(bundle: string): string[] {
  return bundle.match(BLOCK) ?? [];
}

/** An authority in front of the one it follows, for as long as servers may still show what that one signed. */
export function bundleOf(ca: string, previous: string | undefined, now: number): string {
  const older = certificatesOf(previous ?? "").filter((pem) => {
    try {
      return Date.parse(new X509Certificate(pem).validTo) > now && !ca.includes(pem);
    } catch {
      return false;
    }
  });
  return [...certificatesOf(ca), ...older.slice(0, 1)].map((pem) => `${pem}\n`).join("");
}
