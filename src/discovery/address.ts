/** Addresses as discovery names them: for messages, and to tell whether two are the same. */

export interface Address {
  host: string;
  port: number;
}

/** host:port, with brackets around an IPv6 host; also the key by which addresses are compared. */
export function showAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port;
}

/** The address in two words as Sentinel writes them, or undefined where they are none. */
export function addressOf(host: unknown, port: unknown): Address | undefined {
  const number = Number(port);
  if (typeof host !== "string" || host === "" || !Number.isInteger(number) || number < 1 || number > 65_535) {
    return undefined;
  }
  return { host, port: number };
}
