/**
 * What python-socketio apps do to each other through Redis, written once and run with and without sidecars. Clients
 * are named after their peer: a1, a2 in "/" and a1/admin, a2/admin in "/admin" at A, likewise b… at B.
 */
import type { Request } from "../harness/peer.js";
import { tokens } from "../harness/text.js";
import type { Scenario, World } from "../harness/world.js";

const bytes = (data: Buffer) => ({ $bytes: data.toString("base64") });

/** Bytes that do not compress, the same in every run. */
export function noise(length: number, seed = 7): Buffer {
  const data = Buffer.alloc(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[index] = state >>> 24;
  }
  return data;
}

const values: unknown[] = [
  "plain text",
  "",
  0,
  -1.5,
  true,
  null,
  [],
  {},
  [1, [2, [3, { four: null }]]],
  "Grüße, 世界, שלום, 👩‍👩‍👧‍👦, \u0000\u0001\u001f\u007f\u2028",
  { 'quo"ted\\key': 'va"lue\\', "": "empty key", ключ: "значение" },
  // Data that looks like a message of the manager itself.
  { method: "disconnect", host_id: "0", sid: "nobody", namespace: "/", room: null, callback: ["x", "/", 1] },
  { event: "emit", data: '{"method": "emit", "room": "user:1", "host_id": "00000000000000000000000000000000"}' },
  { $tuple: ["two arguments", { second: 2 }] },
  { $tuple: [{ one: 1 }, ["two"], "three", null] },
];

/** Emits of every kind of value and address from one peer. */
function small(world: World, from: string): Request[] {
  const emit = (more: object): Request => ({ op: "emit", event: "note", data: { from, ...more } });
  const steps: Request[] = values.map((data) => ({ op: "emit", event: "value", data }));
  steps.push({ op: "emit", event: 'Ereignis: "ü" 🎉', data: { from } });
  steps.push(emit({ to: "b1", room: true }));
  for (const name of ["a1", "b1"]) {
    steps.push({ ...emit({ only: name }), room: world.sid(name) });
    steps.push({ ...emit({ not: name }), skip_sid: world.sid(name) });
  }
  steps.push({ ...emit({ not: "a2 and b2" }), skip_sid: [world.sid("a2"), world.sid("b2")] });
  steps.push({ ...emit({ in: "/admin" }), namespace: "/admin" });
  steps.push({ ...emit({ in: "/admin", only: "b2" }), namespace: "/admin", room: world.sid("b2/admin") });
  steps.push({ ...emit({ to: "nobody" }), room: "empty room" });
  steps.push({ op: "emit", event: "no data" });
  return steps;
}

export const smallEvents: Scenario = {
  name: "small events of every shape and address",
  async run(world) {
    for (const from of ["A", "B"]) {
      await world.peer(from).batch(small(world, from));
      // Values that are not objects do not say who emitted them.
      await world.settle();
    }
  },
};

export const repeats: Scenario = {
  name: "the same event again and again is received as often",
  async run(world) {
    const same = (from: string): Request => ({ op: "emit", event: "same", data: { from, chat_id: "one", text: "x" } });
    await Promise.all(["A", "B"].map((from) => world.peer(from).batch(Array.from({ length: 150 }, () => same(from)))));
  },
};

export const largeEvents: Scenario = {
  name: "large events",
  async run(world) {
    const text = tokens(30_000, 3).join("");
    const large = (from: string, extra: number): Request => ({
      op: "emit",
      event: "sources",
      data: { from, chat_id: "large", text, extra },
    });
    // Twice the same, as Open WebUI sends its sources, then a smaller one that must not overtake.
    for (const from of ["A", "B"]) {
      await world.peer(from).batch([large(from, 1), large(from, 1), large(from, 2)]);
      await world.peer(from).call({ op: "emit", event: "after", data: { from, chat_id: "large" } });
    }
  },
};

export const binary: Scenario = {
  name: "binary attachments",
  async run(world) {
    const emit = (data: unknown): Request => ({ op: "emit", event: "file", data });
    for (const from of ["A", "B"]) {
      const steps = [
        emit(bytes(noise(1000))),
        emit(bytes(Buffer.alloc(0))),
        emit({ from, one: bytes(noise(10, 1)), list: [bytes(noise(20, 2)), "text", bytes(noise(30, 3))] }),
        emit({ from, large: bytes(noise(200_000, 4)) }),
        emit({ $tuple: [{ from }, bytes(noise(50, 5)), "last"] }),
      ];
      // A recording that grows: the same head, more at the end.
      const recording = noise(6_000, 6);
      for (let length = 200; length <= 6_000; length += 200) {
        steps.push(emit({ from, chat_id: "recording", data: bytes(recording.subarray(0, length)) }));
      }
      await world.peer(from).batch(steps);
      await world.settle();
    }
  },
};

export const roomsAcrossPods: Scenario = {
  name: "clients of another pod enter, leave and lose their rooms",
  async run(world) {
    const room = "room: ä#1*?[x]";
    const told = (from: string, n: number, more: object = {}): Request => {
      return { op: "emit", event: "room", data: { from, n }, room, ...more };
    };
    for (const [from, near, far] of [
      ["A", "a1", "b1"],
      ["B", "b2", "a2"],
    ] as const) {
      const enter = (name: string): Request => ({ op: "enter", sid: world.sid(name), room });
      const leave = (name: string): Request => ({ op: "leave", sid: world.sid(name), room });
      await world
        .peer(from)
        .batch([
          told(from, 0),
          enter(far),
          told(from, 1),
          enter(near),
          told(from, 2),
          told(from, 3, { skip_sid: world.sid(far) }),
          leave(far),
          told(from, 4),
          enter(far),
          told(from, 5),
        ]);
      await world.settle();
      for (const pod of ["A", "B"]) {
        const name = pod.toLowerCase() === far[0] ? far : near;
        const rooms = (await world.peer(pod).call({ op: "rooms", sid: world.sid(name) })) as string[];
        world.note(`rooms of ${name}`, rooms.map((one) => world.nameOf(one)).sort());
      }
      await world.peer(from).batch([{ op: "close", room }, told(from, 6)]);
      // The same room name in another namespace is another room.
      const admin = { namespace: "/admin" };
      await world
        .peer(from)
        .batch([
          { ...enter(far), ...admin, sid: world.sid(`${far}/admin`) },
          told(from, 7, admin),
          told(from, 8),
          { op: "close", room, ...admin },
          told(from, 9, admin),
        ]);
      await world.settle();
    }
  },
};

export const disconnects: Scenario = {
  name: "a pod disconnects the client of another",
  async run(world) {
    for (const [from, at] of [
      ["A", "B"],
      ["B", "A"],
    ] as const) {
      const client = await world.connect(`guest at ${at}`, at);
      const admin = await world.connect(`guest at ${at}/admin`, at, "/admin");
      await world.peer(from).batch([
        { op: "emit", event: "last", data: { from, n: 1 }, room: client.sid },
        { op: "disconnect", sid: client.sid },
        { op: "emit", event: "last", data: { from, n: 2 }, room: client.sid },
        { op: "emit", event: "last", data: { from, n: 3 }, room: admin.sid, namespace: "/admin" },
        { op: "disconnect", sid: admin.sid, namespace: "/admin" },
      ]);
      await Promise.all([client.ended(), admin.ended()]);
    }
  },
};

export const calls: Scenario = {
  name: "a call to a client of another pod is answered",
  async run(world) {
    const call = (to: string, data: unknown, more: object = {}): Request => {
      return { op: "call", event: "question", data, to: world.sid(to), ...more };
    };
    for (const [from, near, far] of [
      ["A", "a1", "b1"],
      ["B", "b2", "a2"],
    ] as const) {
      const peer = world.peer(from);
      for (const to of [near, far]) {
        world.note(`${from} calls ${to}`, await peer.call(call(to, { from, text: "¿qué? 👋" })));
        world.note(
          `${from} asks ${to} with a callback`,
          await peer.call({ ...call(to, { from, n: 2 }), op: "emit_with_callback" }),
        );
      }
      const there = `${far}/admin`;
      world.note(`${from} calls ${there}`, await peer.call(call(there, { from }, { namespace: "/admin" })));
      world.client(far).answerAfter = undefined;
      world.note(`${from} calls a mute client`, await peer.call(call(far, { from, mute: 1 }, { timeout: 0.4 })));
      world.client(far).answerAfter = 0;
    }
  },
};

export const manyCalls: Scenario = {
  name: "many calls in both directions at once, between frames of growing messages",
  async run(world) {
    const growing = (from: string) =>
      world.peer(from).call({
        op: "stream",
        chats: [{ chat_id: `calls-${from}`, message_id: `calls-${from}` }],
        tokens: tokens(60, 11),
      });
    const asked: Promise<void>[] = [];
    for (const [from, to] of [
      ["A", "b1"],
      ["B", "a1"],
      ["A", "b2"],
    ] as const) {
      for (let n = 0; n < 20; n++) {
        // Concurrent questions have no order among themselves: each is a line of its own.
        const data = { from: `${from} to ${to} ${n}`, text: tokens(n + 1, n).join("") };
        const question = world.peer(from).call({ op: "call", event: "question", data, to: world.sid(to) });
        asked.push(question.then((answer) => world.note(`${from} calls ${to}, ${n}`, answer)));
      }
    }
    await Promise.all([...asked, growing("A"), growing("B")]);
  },
};

export const clientsTalk: Scenario = {
  name: "what a client says reaches all others",
  async run(world) {
    for (const name of ["a1", "b2", "a2/admin"]) {
      for (let n = 0; n < 5; n++) {
        const answer = await world.client(name).say("say", { from: name, n, text: "hello ☀️" });
        world.note(`${name} is answered`, answer);
      }
    }
  },
};

/** Scenarios for every release with one channel for everything. */
export const pythonScenarios: Scenario[] = [
  smallEvents,
  repeats,
  largeEvents,
  binary,
  roomsAcrossPods,
  disconnects,
  calls,
  manyCalls,
  clientsTalk,
];
