/**
 * A pod's own network: everything in the pod reaches servers and sentinels through proxies of its own, which are cut or
 * slowed together. Sentinels name servers and each other by address, so what they say is rewritten: each port becomes
 * that of this pod's proxy in front of it.
 */
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import type { Sentinels } from "../support/sentinels.js";

export interface Network {
  /** redis+sentinel://… through this network, as keyframe and python-socketio take it. */
  url: string;
  /** "silent": bytes wait, and connections hang, until it heals; "reset": connections end, new ones are refused. */
  cut(how: "silent" | "reset"): void;
  heal(): void;
  delay(ms: number): void;
  stop(): Promise<void>;
}

export async function startNetwork(group: Sentinels): Promise<Network> {
  const byPort = new Map<number, number>();
  const rewrite = () => rewriter(byPort);
  const servers = await Promise.all(group.servers.map(({ port }) => startFaultProxy({ target: port })));
  const sentinels = await Promise.all(group.sentinels.map(({ port }) => startFaultProxy({ target: port, rewrite })));
  for (const [i, { port }] of group.servers.entries()) byPort.set(port, servers[i]!.port);
  for (const [i, { port }] of group.sentinels.entries()) byPort.set(port, sentinels[i]!.port);
  const all: FaultProxy[] = [...servers, ...sentinels];
  const nodes = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",");
  return {
    url: `redis+sentinel://${nodes}/0/${group.name}`,
    cut(how) {
      for (const proxy of all) {
        if (how === "silent") proxy.pause();
        else {
          proxy.refuse(true);
          proxy.cut();
        }
      }
    },
    heal() {
      for (const proxy of all) {
        proxy.refuse(false);
        proxy.resume();
      }
    },
    delay(ms) {
      for (const proxy of all) proxy.delay(ms);
    },
    async stop() {
      await Promise.all(all.map((proxy) => proxy.stop()));
    },
  };
}

/**
 * Replaces ports in what a sentinel says, wherever one stands as a word of its own in a bulk string. What is not whole yet
 * waits for the next chunk.
 */
export function rewriter(ports: ReadonlyMap<number, number>): (chunk: Buffer) => Buffer {
  let text = "";
  return (chunk) => {
    text += chunk.toString("latin1");
    let out = "";
    let at = 0;
    for (;;) {
      const eol = text.indexOf("\r\n", at);
      if (eol < 0) break;
      const line = text.slice(at, eol);
      const length = /^[$=]\d+$/.test(line) ? Number(line.slice(1)) : -1;
      const end = length < 0 ? eol : eol + 2 + length;
      if (end + 2 > text.length) break;
      if (length < 0) out += `${line}\r\n`;
      else {
        const body = text
          .slice(eol + 2, end)
          .replace(/(?<![\w.])\d+(?![\w.])/g, (word) => String(ports.get(Number(word)) ?? word));
        out += `${line[0]}${body.length}\r\n${body}\r\n`;
      }
      at = end + 2;
    }
    text = text.slice(at);
    return Buffer.from(out, "latin1");
  };
}
