// One subscriber of the frame channel that reads as fast as it can. It counts whole messages by their size, which is
// the same for all of them, so that it costs little beside what is measured. Prints `ready`, then its count on demand.
//
//   node bench/proxy/listener.mjs PORT CHANNEL PAYLOAD_BYTES      (SIGUSR2: prints {"messages": n})

import { connect } from "node:net";

const [port, channel, payloadBytes] = process.argv.slice(2);
const ack = `*3\r\n$9\r\nsubscribe\r\n$${channel.length}\r\n${channel}\r\n:1\r\n`.length;
const message =
  `*3\r\n$7\r\nmessage\r\n$${channel.length}\r\n${channel}\r\n$${payloadBytes}\r\n`.length + Number(payloadBytes) + 2;

let bytes = 0;
let announced = false;
const socket = connect({ host: "127.0.0.1", port: Number(port) });
socket.write(`*2\r\n$9\r\nSUBSCRIBE\r\n$${channel.length}\r\n${channel}\r\n`);
socket.on("data", (chunk) => {
  bytes += chunk.length;
  if (!announced && bytes >= ack) {
    announced = true;
    console.log("ready");
  }
});
process.on("SIGUSR2", () => console.log(JSON.stringify({ messages: (bytes - ack) / message })));
