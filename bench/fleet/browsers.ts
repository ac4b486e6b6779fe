/**
 * Browsers, in a process of their own: one socket.io-client for each user, over websocket as Open WebUI's are. They count what
 * they are sent.
 */
import { io, type Socket } from "socket.io-client";
import { within } from "../../test/support/wait.js";
import { serve } from "./ipc.js";
import type { BrowseRequest } from "./jobs.js";

const sockets: Socket[] = [];
let events = 0;

serve({
  browse: async ({ port, users }: BrowseRequest) => {
    const mine = users.map((user) => io(`http://127.0.0.1:${port}`, { transports: ["websocket"], auth: { user } }));
    sockets.push(...mine);
    const connected = mine.map((socket) => {
      socket.onAny(() => events++);
      return new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("connect_error", reject);
      });
    });
    await within("all browsers are connected", Promise.all(connected), 20_000);
  },
  events: () => events,
});
