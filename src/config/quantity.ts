/** Kubernetes quantities such as 250m or 128Mi: enough of them to tell a slip from a value, and a limit below its request. */
import type { Kind } from "./values.js";

export interface QuantityPair {
  readonly request: string;
  readonly limit: string | undefined;
}

const factors: Readonly<Record<string, number>> = {
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** The number that a quantity stands for, cores or bytes; undefined where it is none. */
export function quantityValue(text: string): number | undefined {
  const found = /^(\d{1,15}(?:\.\d{1,9})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.exec(text);
  const factor = factors[found?.[2] ?? ""];
  return found === null || factor === undefined ? undefined : Number(found[1]) * factor;
}

/** Smallest and largest amount that makes sense, and an example. */
export interface QuantityBounds {
  readonly min: string;
  readonly max: string;
  readonly example: string;
}

export const cpuBounds: QuantityBounds = { min: "1m", max: "64", example: "100m" };
export const memoryBounds: QuantityBounds = { min: "32Mi", max: "64Gi", example: "128Mi" };

/** One quantity between bounds. */
export function quantity({ min, max, example }: QuantityBounds): Kind<string> {
  return {
    metavar: "quantity",
    bounds: `${min} to ${max}`,
    secret: false,
    read(text) {
      const value = quantityValue(text);
      const remedy = `Write a Kubernetes quantity from ${min} to ${max}, for example ${example}.`;
      if (value === undefined) return { ok: false, problem: "is not a quantity", remedy };
      if (value < quantityValue(min)! || value > quantityValue(max)!) {
        return { ok: false, problem: "is out of bounds", remedy };
      }
      return { ok: true, value: text };
    },
    show: (text) => text,
  };
}

/** `request` or `request/limit`. */
export function quantityPair(bounds: QuantityBounds): Kind<QuantityPair> {
  const one = quantity(bounds);
  return {
    ...one,
    metavar: "request[/limit]",
    read(text) {
      const parts = text.split("/").map((part) => part.trim());
      const remedy = `Write a request, or a request and a limit such as ${bounds.example}/${bounds.max}.`;
      if (parts.length > 2) return { ok: false, problem: "has more than a request and a limit", remedy };
      for (const part of parts) {
        const read = one.read(part);
        if (!read.ok) return read;
      }
      const [request, limit] = parts as [string, string | undefined];
      if (limit !== undefined && quantityValue(limit)! < quantityValue(request)!) {
        return { ok: false, problem: "has a limit below its request", remedy };
      }
      return { ok: true, value: { request, limit } };
    },
    show: ({ request, limit }) => (limit === undefined ? request : `${request}/${limit}`),
  };
}
