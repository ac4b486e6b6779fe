// The least that a proxy in Node can be: a socket piped into a socket, nothing read, nothing decided. It marks the
// limit of what the runtime itself allows, so that the sidecar's own work can be told from it.
//
//   node bench/proxy/pipe.mjs LISTEN_PORT UPSTREAM_PORT      (both on 127.0.0.1)

import { connect, createServer } from "node:net";

const [listenPort, upstreamPort] = process.argv.slice(2).map(Number);

createServer({ noDelay: true }, (app) => {
  const upstream = connect({ host: "127.0.0.1", port: upstreamPort, noDelay: true });
  app.pipe(upstream);
  upstream.pipe(app);
  app.on("error", () => upstream.destroy());
  upstream.on("error", () => app.destroy());
}).listen(listenPort, "127.0.0.1");
