/** Messages that grow token by token in Open WebUI's shape: what the sidecars are for. */
import type { Request } from "../harness/peer.js";
import { tokens, uuid } from "../harness/text.js";
import type { Scenario, World } from "../harness/world.js";

export const steps = 200;

const chat = (number: number, room?: string) => ({
  chat_id: uuid(number),
  message_id: uuid(number + 1000),
  ...(room === undefined ? {} : { room }),
});

/** The peer that the plan names first: a server in pod A. */
const firstOf = (world: World): string => world.plan.peers[0]?.name ?? "A";

/** Puts a1, b1 and b2 into a user's room, each at its own pod, and runs `act`; then closes the room. */
async function inRoom(world: World, room: string, act: () => Promise<unknown>): Promise<void> {
  const first = firstOf(world);
  const enter = (peer: string, name: string): Promise<unknown> => world.enter(peer, name, room);
  const near = first.toLowerCase();
  await Promise.all([enter(first, `${near}1`), enter("B", "b1"), enter("B", "b2")]);
  await world.heard(room, new Set([first, "B"]).size);
  await act();
  await world.settle();
  const leave = (peer: string, name: string): Promise<unknown> => world.leave(peer, name, room);
  await Promise.all([leave(first, `${near}1`), leave("B", "b1"), leave("B", "b2")]);
}

/** Two answers at once from the first peer, at a model's pace. The scenario whose bytes are compared. */
export const growing: Scenario = {
  name: "two growing messages at once",
  async run(world) {
    const from = firstOf(world);
    await inRoom(world, "user:one", () =>
      world.peer(from).call({
        op: "stream",
        chats: [chat(1, "user:one"), chat(2, "user:one")],
        tokens: tokens(steps),
        pause_ms: 3,
      }),
    );
  },
};

/** The same as fast as the servers can, from every peer at once. */
export const burst: Scenario = {
  name: "growing messages from every peer as fast as they can",
  async run(world) {
    const peers = world.plan.peers.map((peer) => peer.name);
    await inRoom(world, "user:two", () =>
      Promise.all(
        peers.map((peer, index) =>
          world.peer(peer).call({
            op: "stream",
            chats: [chat(10 + 2 * index, "user:two"), chat(11 + 2 * index, "user:two")],
            tokens: tokens(steps, 2),
          }),
        ),
      ),
    );
  },
};

/** Open WebUI 0.11.1 and later: a small piece in a large envelope. Python peers only. */
export const tokenEvents: Scenario = {
  name: "token events in a large envelope",
  async run(world) {
    await inRoom(world, "user:three", () =>
      Promise.all(
        ["A", "B"].map((peer, index) =>
          world.peer(peer).call({
            op: "stream",
            shape: "delta",
            chats: [chat(20 + 2 * index, "user:three"), chat(21 + 2 * index, "user:three")],
            tokens: tokens(steps, 4),
          }),
        ),
      ),
    );
  },
};

/** Frames of one chat to two rooms in turn, which b1 hears as one order. Python peers only. */
export const twoRooms: Scenario = {
  name: "one chat's frames to two rooms keep their order",
  async run(world) {
    const { chat_id, message_id } = chat(30);
    await Promise.all(["user:four", `chat:${chat_id}`].map((room) => world.enter("B", "b1", room)));
    const list: Request[] = [];
    let content = "";
    for (const [n, token] of tokens(120, 5).entries()) {
      content += token;
      const emit = (room: string, type: string, data: object): Request => ({
        op: "emit",
        event: "events",
        data: { chat_id, message_id, data: { type, data } },
        room,
      });
      list.push(emit("user:four", "response:completion", { type: "response.output_text.delta", delta: token, n }));
      if (n % 4 === 3) list.push(emit(`chat:${chat_id}`, "chat:completion", { content, done: false }));
      if (n % 40 === 39) list.push(emit("user:four", "status", { description: "searching", n }));
    }
    await world.peer("A").batch(list);
    await world.settle();
    await Promise.all(["user:four", `chat:${chat_id}`].map((room) => world.leave("B", "b1", room)));
  },
};

/** A client enters the room in the middle of a message and sees every frame from there on. */
export const lateEntry: Scenario = {
  name: "a client that enters in the middle of a message sees the rest of it",
  async run(world) {
    const list = tokens(90, 6);
    const room = "user:five";
    let text = "";
    for (const [part, name] of [undefined, "b1", "b2"].entries()) {
      const piece = list.slice(part * 30, part * 30 + 30);
      // What the pod has not yet passed on when the client enters would reach it too: with sidecars or without.
      await world.settle();
      if (name !== undefined) await world.enter("B", name, room);
      await world
        .peer("A")
        .call({ op: "stream", chats: [{ ...chat(40, room), text }], tokens: piece, pause_ms: part === 0 ? 0 : 15 });
      text += piece.join("");
    }
    await world.settle();
    await Promise.all(["b1", "b2"].map((name) => world.leave("B", name, room)));
  },
};
