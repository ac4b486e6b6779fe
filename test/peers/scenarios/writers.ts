/** Processes that only publish (W asynchronous, S synchronous) beside the pods' servers. Python peers only. */
import type { Request } from "../harness/peer.js";
import { tokens } from "../harness/text.js";
import type { Scenario } from "../harness/world.js";
import { noise } from "./python.js";

export const writers: Scenario = {
  name: "processes that only publish reach the clients of every pod",
  async run(world) {
    for (const [from, far] of [
      ["W", "b1"],
      ["S", "a2"],
    ] as const) {
      const sid = world.sid(far);
      const room = `task of ${from}`;
      const emit = (data: object, more: object = {}): Request => {
        return { op: "emit", event: "task", data: { from, ...data }, ...more };
      };
      await world
        .peer(from)
        .batch([
          emit({ text: "Grüße, 世界 👋" }),
          emit({ only: far }, { room: sid }),
          emit({ not: far }, { skip_sid: sid }),
          emit({ in: "/admin" }, { namespace: "/admin" }),
          emit({ file: { $bytes: noise(3_000).toString("base64") } }),
          emit({ n: 0 }, { room }),
          { op: "enter", sid, room },
          emit({ n: 1 }, { room }),
          { op: "leave", sid, room },
          emit({ n: 2 }, { room }),
          { op: "enter", sid, room },
          emit({ n: 3 }, { room }),
          { op: "close", room },
          emit({ n: 4 }, { room }),
          ...tokens(80, 8).map((_, n, all) => emit({ chat_id: "task", progress: all.slice(0, n + 1).join("") })),
        ]);
    }
    await world.settle();
    // The synchronous manager cannot do this without a server.
    const guest = await world.connect("guest of W", "B");
    const goodbye: Request = { op: "emit", event: "task", data: { from: "W", goodbye: true }, room: guest.sid };
    await world.peer("W").batch([goodbye, { op: "disconnect", sid: guest.sid }]);
    await guest.ended();
  },
};
