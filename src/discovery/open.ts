/** One dial: a TCP or TLS connection to an address, with a deadline. Host names are looked up here, each time anew. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Address } from "./address.js";

/** `ca` is PEM text; without it the system's store is used. */
export interface TlsOptions {
  ca: string | undefined;
  /** Name that the certificate must carry, where it is not the host. */
  serverName: string | undefined;
}

/** What `tls.connect` is told about certificates for this host. */
export function secureOptions(tls: TlsOptions, host: string): { ca?: string; servername: string } {
  return {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    // An address is no server name: Node then checks it against the certificate's IP entries.
    servername: tls.serverName ?? (/^[\d.]+$|:/.test(host) ? "" : host),
  };
}

/** True for what trying again cannot mend: a certificate that is not trusted, or no TLS at the other end. */
export function isPermanent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" && /CERT|TLS|SSL|UNABLE_TO|HOSTNAME_MISMATCH/.test(code);
}

/**
 * A connected socket without delay (TCP_NODELAY) and with keep-alive.
 * @param started  is given the socket before it is connected; destroying it ends the dial
 * @throws the socket's own error, or one that says that the deadline has passed
 */
export function openSocket(
  address: Address,
  tls: TlsOptions | undefined,
  timeoutMs: number,
  started: (socket: Socket) => void,
): Promise<Socket> {
  return new Promise<Socket>((resolve, reject) => {
    const base = { host: address.host, port: address.port, noDelay: true, keepAlive: true, allowHalfOpen: true };
    const socket = tls === undefined ? connectTcp(base) : connectTls({ ...base, ...secureOptions(tls, address.host) });
    const opened = tls === undefined ? "connect" : "secureConnect";
    const settle = (error: Error | undefined) => {
      clearTimeout(timer);
      socket.off("error", settle);
      socket.off("close", closed);
      socket.off(opened, connected);
      if (error === undefined) {
        resolve(socket);
        return;
      }
      // The error of a socket that is being thrown away has been reported; a second one must not end the process.
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const connected = () => settle(undefined);
    const closed = () => settle(new Error("the connection was closed"));
    const timer = setTimeout(() => settle(new Error(`no connection within ${Math.round(timeoutMs)} ms`)), timeoutMs);
    socket.once(opened, connected);
    socket.once("error", settle);
    socket.once("close", closed);
    started(socket);
  });
}
