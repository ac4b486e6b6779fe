/**
 * Free TCP ports for programs that must be told their port. Between our closing a probe and the program's listening
 * somebody else may take the port, so callers that start such a program try again with another one.
 */
import { createServer } from "node:net";

/** A port of 127.0.0.1 that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** `count` different free ports, all held open until the last one is found. */
export async function freePorts(count: number): Promise<number[]> {
  const seen = new Set<number>();
  while (seen.size < count) seen.add(await freePort());
  return [...seen];
}
