/**
 * What Node Socket.IO servers do to each other through @socket.io/redis-adapter. Clients are a11, a12 at server A1,
 * a21, a22 at A2 (the same pod), b1, b2 at B; with "/admin" behind the name in that namespace.
 */
import type { Json, Request } from "../harness/peer.js";
import { tokens } from "../harness/text.js";
import type { Scenario, World } from "../harness/world.js";
import { noise } from "./python.js";

const servers = ["A1", "A2", "B"] as const;
const bytes = (data: Buffer) => ({ $bytes: data.toString("base64") });
const emit = (event: string, args: unknown[], more: object = {}): Request => ({ op: "emit", event, args, ...more });

const sorted = (list: unknown[]): unknown[] =>
  [...list].sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1));

interface Answers {
  timeout: boolean;
  answers: Json[];
  ms: number;
}

/** The answers of a broadcast in an order of their own: they come as the clients send them. */
async function ask(world: World, server: string, request: Request): Promise<Answers> {
  const result = (await world.peer(server).call({ timeout: 10_000, ...request, op: "emit_with_ack" })) as unknown;
  const { answers, ...rest } = result as Answers;
  return { ...rest, answers: sorted(answers ?? []) as Json[] };
}

/** Sockets as the driver notes them: their client's name instead of the id, in a fixed order. */
async function sockets(world: World, server: string, more: object = {}): Promise<unknown[]> {
  const list = (await world.peer(server).call({ op: "fetch_sockets", ...more })) as { id: string; rooms: string[] }[];
  const named = list.map((socket) => ({
    ...socket,
    id: world.nameOf(socket.id),
    rooms: sorted(socket.rooms.map((room) => world.nameOf(room))),
  }));
  return sorted(named);
}

export const nodeBroadcasts: Scenario = {
  name: "broadcasts of every shape and address",
  async run(world) {
    const values: unknown[][] = [
      [],
      ["plain"],
      ["", 0, -1.5, true, null],
      [[1, [2, { three: null }]]],
      ["Grüße, 世界, 👩‍👩‍👧‍👦, \u0000\u001f\u2028"],
      [2 ** 40, -(2 ** 33), 255, 256, 65_536],
      [bytes(noise(100))],
      [bytes(Buffer.alloc(0)), { deep: [bytes(noise(10, 2)), "and", bytes(noise(70_000, 3))] }],
    ];
    for (const from of servers) {
      const data = (more: object) => [{ from, ...more }];
      await world
        .peer(from)
        .batch([
          ...values.map((args) => emit("value", args)),
          emit('Ereignis: "ü" 🎉', data({})),
          emit("note", data({ only: "b1" }), { rooms: [world.sid("b1")] }),
          emit("note", data({ only: "a11 and a21" }), { rooms: [world.sid("a11"), world.sid("a21")] }),
          emit("note", data({ not: "a22" }), { except: [world.sid("a22")] }),
          emit("note", data({ not: "b2, a11" }), { except: [world.sid("b2"), world.sid("a11")] }),
          emit("note", data({ local: true }), { local: true }),
          emit("note", data({ compress: false }), { compress: false }),
          emit("note", data({ to: "nobody" }), { rooms: ["empty room"] }),
          emit("note", data({ in: "/admin" }), { namespace: "/admin" }),
          emit("note", data({ in: "/admin" }), { namespace: "/admin", except: [world.sid("b1/admin")] }),
          ...Array.from({ length: 50 }, () => emit("same", data({ text: "x" }))),
          emit("large", data({ text: tokens(20_000, 3).join("") })),
          emit("after", data({})),
        ]);
      // Values that are not objects do not say who emitted them.
      await world.settle();
    }
  },
};

export const nodeGrowingBinary: Scenario = {
  name: "a recording that grows",
  async run(world) {
    const recording = noise(8_000, 6);
    const list: Request[] = [];
    for (let length = 200; length <= recording.length; length += 200) {
      list.push(emit("recording", [{ from: "A1", data: bytes(recording.subarray(0, length)) }]));
    }
    await world.peer("A1").batch(list);
  },
};

export const nodeRooms: Scenario = {
  name: "servers move each other's sockets between rooms",
  async run(world) {
    const room = "room: ä#1*?[x]";
    for (const from of servers) {
      const peer = world.peer(from);
      const move = (op: "join" | "leave", more: object): Request => ({ op, [op]: [room, "second"], ...more });
      // Requests and frames travel on different subscriptions: settle between them, as an app would await.
      await peer.call(move("join", { rooms: [world.sid("b1"), world.sid("a11"), world.sid("a21")] }));
      await joined(world, from, room, 3);
      await peer.batch([
        emit("room", [{ from, n: 1 }], { rooms: [room] }),
        emit("room", [{ from, n: 2 }], { rooms: [room], except: [world.sid("a21")] }),
        emit("room", [{ from, n: 3 }], { rooms: [room, "second", world.sid("b2")] }),
        emit("room", [{ from, n: 4 }], { except: [room] }),
      ]);
      world.note(`${from} sees the room`, await sockets(world, from, { rooms: [room] }));
      await world.settle();
      await peer.call(move("leave", { rooms: [room], except: [world.sid("b1")] }));
      await joined(world, from, room, 1);
      await peer.batch([emit("room", [{ from, n: 5 }], { rooms: [room] })]);
      await world.settle();
      await peer.call(move("leave", {}));
      await joined(world, from, room, 0);
      await peer.batch([emit("room", [{ from, n: 6 }], { rooms: [room] })]);
      // Before the next server puts the same sockets into the same room.
      await world.settle();
    }
  },
};

/** Resolves when the whole fleet agrees on the number of sockets in a room. */
async function joined(world: World, from: string, room: string, count: number): Promise<void> {
  for (;;) {
    const list = await world.peer(from).call({ op: "fetch_sockets", rooms: [room] });
    if ((list as unknown[]).length === count) return;
  }
}

export const nodeFetch: Scenario = {
  name: "fetchSockets finds the sockets of every server",
  async run(world) {
    for (const from of servers) {
      world.note(`${from} counts the servers`, await world.peer(from).call({ op: "server_count" }));
      world.note(`${from} sees all`, await sockets(world, from));
      world.note(`${from} sees /admin`, await sockets(world, from, { namespace: "/admin" }));
      world.note(`${from} sees one`, await sockets(world, from, { rooms: [world.sid("a22")] }));
      world.note(`${from} sees all but one`, await sockets(world, from, { except: [world.sid("b1")] }));
      world.note(`${from} sees its own`, await sockets(world, from, { local: true }));
      const rooms = (await world.peer(from).call({ op: "all_rooms" })) as string[];
      world.note(`${from} knows the rooms`, sorted(rooms.map((room) => world.nameOf(room))));
    }
    // Many at once: answers must not be mixed up.
    const lists = await Promise.all(Array.from({ length: 30 }, (_, n) => sockets(world, servers[n % 3] ?? "B")));
    world.note("thirty at once", lists);
  },
};

export const nodeAcks: Scenario = {
  name: "a broadcast with acknowledgements is complete and not early",
  async run(world) {
    const slow = [world.client("a21"), world.client("b1")];
    for (const client of slow) client.answerAfter = 250;
    for (const from of servers) {
      const { ms, ...all } = await ask(world, from, { op: "", event: "question", args: [{ from, text: "¿qué? 👋" }] });
      world.note(`${from} asks all`, all);
      // A fourth of a millisecond is timer rounding; less than the slowest answer would be an early end.
      world.note(`${from} has waited for the slow`, ms >= 249);
      const { ms: _, ...few } = await ask(world, from, {
        op: "",
        event: "question",
        args: [{ from, n: 2 }],
        rooms: [world.sid("b2"), world.sid("a22")],
      });
      world.note(`${from} asks two`, few);
      const { ms: __, ...admin } = await ask(world, from, {
        op: "",
        event: "question",
        args: [{ from, data: bytes(noise(500)) }],
        namespace: "/admin",
      });
      world.note(`${from} asks /admin`, admin);
    }
    for (const client of slow) client.answerAfter = 0;
    const mute = world.client("a22");
    mute.answerAfter = undefined;
    const answers = await Promise.all(
      servers.map((from) => ask(world, from, { op: "", event: "question", args: [{ from, n: 3 }], timeout: 700 })),
    );
    for (const [index, { ms: _, ...rest }] of answers.entries()) world.note(`${servers[index]} misses one`, rest);
    mute.answerAfter = 0;
  },
};

export const nodeManyAcks: Scenario = {
  name: "many broadcasts with acknowledgements at once",
  async run(world) {
    const asked = Array.from({ length: 30 }, async (_, n) => {
      const from = servers[n % 3] ?? "B";
      const args = [{ from: `${from} ${n}`, text: tokens(n + 1, n).join("") }];
      const { ms: _ms, ...rest } = await ask(world, from, { op: "", event: "question", args });
      world.note(`${from} asks, ${n}`, rest);
    });
    await Promise.all(asked);
  },
};

export const nodeServerSide: Scenario = {
  name: "servers tell and ask each other",
  async run(world) {
    for (const from of servers) {
      const others = servers.filter((name) => name !== from);
      const list: Request[] = Array.from({ length: 20 }, (_, n) => {
        return { op: "server_side_emit", event: "tell", args: [from, n, { text: "ä".repeat(n) }] };
      });
      await world.peer(from).batch(list);
      for (const name of others) {
        world.note(`${name} hears ${from}`, await world.peer(name).call({ op: "heard", count: 20 }));
      }
      const answers = (await world.peer(from).call({ op: "server_side_ask", event: "ask", args: [from] })) as {
        pid: number;
        args: Json[];
      }[];
      world.note(
        `${from} is answered`,
        answers.map((answer) => answer.args),
      );
      world.note(`${from} is answered by different servers`, new Set(answers.map((answer) => answer.pid)).size);
      for (const name of others) {
        world.note(`${name} was asked`, await world.peer(name).call({ op: "heard", count: 1 }));
      }
    }
  },
};

export const nodeDisconnects: Scenario = {
  name: "a server disconnects the sockets of another",
  async run(world) {
    for (const [from, at] of [
      ["A1", "A2"],
      ["A1", "B"],
      ["B", "A1"],
    ] as const) {
      const guest = await world.connect(`guest at ${at}`, at);
      const admin = await world.connect(`guest at ${at}/admin`, at, "/admin");
      await world.peer(from).call(emit("last", [{ from }], { rooms: [guest.sid] }));
      // A frame and a request travel on different channels: the frame first, then the end.
      await guest.received("last");
      await world.peer(from).batch([
        { op: "disconnect", rooms: [guest.sid] },
        { op: "disconnect", rooms: [admin.sid], namespace: "/admin", close: true },
      ]);
      await Promise.all([guest.ended(), admin.ended()]);
    }
  },
};

export const nodeClientsTalk: Scenario = {
  name: "what a client says reaches all others",
  async run(world) {
    for (const name of ["a11", "b2", "a22/admin"]) {
      for (let n = 0; n < 5; n++) {
        world.note(`${name} is answered`, await world.client(name).say("say", { from: name, n, text: "hello ☀️" }));
      }
    }
  },
};

export const nodeScenarios: Scenario[] = [
  nodeBroadcasts,
  nodeGrowingBinary,
  nodeRooms,
  nodeFetch,
  nodeAcks,
  nodeManyAcks,
  nodeServerSide,
  nodeDisconnects,
  nodeClientsTalk,
];
