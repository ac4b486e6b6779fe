// The whole house for one run: PostgreSQL, the server under measurement, the model, with or without a sidecar beside
// each of two replicas, and one user with two browser tabs on each replica.

import { connectListener } from "./listener.mjs";
import { startModel } from "./model.mjs";
import { fleetSettings, startReplica } from "./openwebui.mjs";
import { startPostgres } from "./postgres.mjs";
import { startServer } from "./redis.mjs";
import { startSidecar } from "./sidecar.mjs";
import { startTap } from "./tap.mjs";

/**
 * Starts everything in order; what was started is ended again when a later step fails.
 *
 * @param {object} options mode ("direct" or "sidecar"), python, postgresBin, binaries, logs, split, byCommand, say
 * @returns {Promise<Fleet>} { server, tap, sidecars, replicas: [{ replica, asker, witness }], model, stop() }
 */
export async function startFleet({ mode, python, postgresBin, binaries, logs, split, byCommand, say }) {
  const started = [];
  const stop = async () => {
    for (const end of started.splice(0).reverse()) await end();
  };
  const keep = async (promise, end = (thing) => thing.stop()) => {
    const thing = await promise;
    started.push(() => end(thing));
    return thing;
  };
  try {
    const postgres = await keep(startPostgres(postgresBin, logs));
    const server = await keep(startServer(binaries, logs, "server"));
    const tap = byCommand ? await keep(startTap(server.port)) : undefined;
    const serverUrl = tap?.url ?? server.url;
    // With --split, all that is not for WebSockets goes to a server of its own, beside the sidecar.
    const other = split ? await keep(startServer(binaries, logs, "other-server")) : undefined;
    const model = await keep(startModel(), (thing) => thing.close());
    const settings = fleetSettings({ postgresUrl: postgres.url, modelUrl: model.url });

    const sidecars = [];
    const replicas = [];
    for (const letter of ["a", "b"]) {
      let url = serverUrl;
      if (mode === "sidecar") {
        const sidecar = await keep(startSidecar({ name: `sidecar-${letter}`, upstream: serverUrl, logs }));
        sidecars.push(sidecar);
        url = sidecar.url;
      }
      const began = performance.now();
      const name = `replica-${letter}`;
      const urls = { redisUrl: other?.url ?? url, websocketRedisUrl: url };
      replicas.push(await keep(startReplica({ name, python, settings, ...urls, logs })));
      say(`${name} is up (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    }

    const { token } = await replicas[0].signUp();
    const pairs = [];
    for (const replica of replicas) {
      replica.token = token;
      const models = await replica.models();
      if (!models.includes("scripted")) throw new Error(`${replica.name} does not offer our model: ${models}`);
      const asker = await keep(connectListener(replica, token, `${replica.name}/asker`), (thing) => thing.close());
      const witness = await keep(connectListener(replica, token, `${replica.name}/witness`), (thing) => thing.close());
      pairs.push({ replica, asker, witness });
    }
    return { server, tap, postgres, sidecars, replicas: pairs, model, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
