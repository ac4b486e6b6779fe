/**
 * The way from the API server into the cluster. There are no pod addresses here, so the API server is told to reach
 * Services through an HTTP CONNECT proxy (its egress selector), and this proxy leads every Service to one local process.
 * What the API server asks for, and whom it then trusts, is what it would be with real pods.
 */
import { connect, createServer } from "node:net";

const HEAD_END = "\r\n\r\n";

/**
 * Listens on a socket file. Resolves to { to(port | undefined), cut(), asked }: where it leads, and the addresses that
 * were asked for.
 */
export async function startTunnel(path) {
  let target;
  const asked = [];
  const open = new Set();
  const server = createServer((client) => {
    let head = "";
    open.add(client);
    client.on("close", () => open.delete(client));
    client.on("error", () => client.destroy());
    const onData = (data) => {
      head += data.toString("latin1");
      const end = head.indexOf(HEAD_END);
      if (end < 0) return;
      client.off("data", onData);
      client.pause();
      asked.push(/^CONNECT (\S+) /.exec(head)?.[1]);
      if (target === undefined) {
        // Nobody is there: what a node answers for a pod without a listener.
        client.end(`HTTP/1.1 502 Bad Gateway${HEAD_END}`);
        return;
      }
      const inner = connect(target, "127.0.0.1", () => {
        client.write(`HTTP/1.1 200 OK${HEAD_END}`);
        const rest = head.slice(end + HEAD_END.length);
        if (rest !== "") inner.write(Buffer.from(rest, "latin1"));
        client.pipe(inner).pipe(client);
      });
      inner.on("error", () => client.destroy());
      client.on("close", () => inner.destroy());
    };
    client.on("data", onData);
  });
  server.unref();
  await new Promise((resolve) => server.listen(path, resolve));
  return {
    asked,
    /** Ends every connection that goes through. */
    cut() {
      for (const client of open) client.destroy();
    },
    to(port) {
      target = port;
    },
  };
}
