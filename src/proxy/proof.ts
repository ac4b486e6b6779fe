/**
 * Proof of life for a connection that was just dialled in doubtful times: what stands before a dead server (a balancer, a
 * node that is going down) may accept and close at once, and a request that was written by then is lost with its answer.
 */
import type { Socket } from "node:net";

const PING: Buffer = Buffer.from("PING\r\n");
const LF = 0x0a;

/**
 * Asks PING and waits for the answer, whatever it says: an error is an answer too. Leaves no listener behind.
 * @returns what came behind the answer: nothing, from a server that speaks when it is asked
 * @throws Error when the connection ends before
 */
export function provenAlive(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      socket.off("data", onData);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
      socket.off("error", onError);
    };
    const onData = (chunk: Buffer) => {
      const end = chunk.indexOf(LF);
      if (end < 0) return;
      settle();
      resolve(chunk.subarray(end + 1));
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    const onEnd = () => onError(new Error("it was closed before it answered"));
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    socket.on("error", onError);
    socket.write(PING);
  });
}
