/** The usual scene: one server, and pods A and B, each with a sidecar of its own. */
import { type Server, type ServerOptions, startServer } from "./server.js";
import { type Sidecar, startSidecar } from "./sidecar.js";

export interface TwoPods {
  server: Server;
  a: Sidecar;
  b: Sidecar;
  /** Ends the sidecars, then the server. Safe to call when one of them has already been stopped. */
  stop(): Promise<void>;
}

export interface TwoPodsOptions {
  server?: ServerOptions;
  /** KEYFRAME_* for both sidecars. */
  env?: Record<string, string>;
  /** KEYFRAME_* for one of them, on top of `env`. */
  envA?: Record<string, string>;
  envB?: Record<string, string>;
  /** Where the sidecars find the server, when it is not the server itself (a fault proxy in between). */
  upstream?: (server: Server) => string | Promise<string>;
}

/** Starts all three and waits until both sidecars are ready. On failure nothing is left behind. */
export async function twoPods(options: TwoPodsOptions = {}): Promise<TwoPods> {
  const server = await startServer(options.server);
  const started: Sidecar[] = [];
  const stop = async () => {
    await Promise.all(started.map((sidecar) => sidecar.stop()));
    await server.stop();
  };
  try {
    const upstream = options.upstream ? await options.upstream(server) : server.url;
    for (const own of [options.envA, options.envB]) {
      started.push(await startSidecar({ upstream, env: { ...options.env, ...own } }));
    }
    await Promise.all(started.map((sidecar) => sidecar.ready()));
  } catch (error) {
    await stop();
    throw error;
  }
  const [a, b] = started as [Sidecar, Sidecar];
  return { server, a, b, stop };
}
