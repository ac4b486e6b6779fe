/**
 * Cases of pub/sub: frame channels (served by the sidecar's broker) and others (served 1:1 by the server) in every
 * combination, in RESP2's subscriber mode and beside commands in RESP3. An app must not be able to tell who answers.
 */
import { encodeRequest } from "../../support/resp-values.js";
import { type Case, heardBy, raw, send, sequence } from "./differential.js";

const payload = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const large = Buffer.alloc(200_000, "0123456789abcdef");

/** Frame, other, frame pattern, other pattern, and a pattern that matches both kinds. */
const F = "socketio";
const F2 = "socketio#/#room";
const O = "news";

/** The same requests in RESP2 and in RESP3. */
function both(name: string, ...requests: (string | Buffer)[]): Case[] {
  return [sequence(`RESP2: ${name}`, ...requests), sequence(`RESP3: ${name}`, "HELLO 3", ...requests)];
}

export const ackCases: Case[] = [
  ...both("a frame channel", `SUBSCRIBE ${F}`, "PING", "PING hello", `UNSUBSCRIBE ${F}`, "PING", "GET k"),
  ...both("another channel", `SUBSCRIBE ${O}`, "PING", "PING hello", `UNSUBSCRIBE ${O}`, "PING", "GET k"),
  ...both("both kinds in one request", `SUBSCRIBE ${F} ${O} ${F2} tasks`, "PING", `UNSUBSCRIBE ${O} ${F}`, "PING x"),
  ...both("other first", `SUBSCRIBE ${O} ${F} tasks ${F2}`, `UNSUBSCRIBE ${F2} tasks`, "PING"),
  ...both("duplicates", `SUBSCRIBE ${F} ${F}`, `SUBSCRIBE ${F} ${O} ${O} ${F}`, `UNSUBSCRIBE ${F} ${F} ${O}`, "PING"),
  ...both("a frame pattern", "PSUBSCRIBE socketio#*", "PING", "PUNSUBSCRIBE socketio#*", "GET k"),
  ...both(
    "patterns of both kinds",
    "PSUBSCRIBE socketio#* news.* socket.io#/#* s*",
    "PUNSUBSCRIBE news.* socketio#*",
    "PING",
  ),
  ...both(
    "channels and patterns",
    `SUBSCRIBE ${F}`,
    "PSUBSCRIBE socketio#*",
    `SUBSCRIBE ${O}`,
    "PSUBSCRIBE n*",
    `UNSUBSCRIBE ${F}`,
    "PUNSUBSCRIBE n*",
  ),
  ...both(
    "a name as channel and as pattern",
    `SUBSCRIBE ${F}`,
    `PSUBSCRIBE ${F}`,
    `PUNSUBSCRIBE ${F}`,
    `UNSUBSCRIBE ${F}`,
    "GET k",
  ),
  ...both(
    "unsubscribing from nothing",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "GET k",
    `UNSUBSCRIBE ${F} ${O}`,
    "PUNSUBSCRIBE socketio#* x*",
  ),
  ...both(
    "unsubscribing what was not subscribed",
    `SUBSCRIBE ${F} ${O}`,
    `UNSUBSCRIBE ${F2} tasks`,
    "PUNSUBSCRIBE",
    `UNSUBSCRIBE ${F} ${O}`,
    "GET k",
  ),
  ...both("unsubscribing all, with a frame channel only", `SUBSCRIBE ${F}`, "UNSUBSCRIBE", "UNSUBSCRIBE", "GET k"),
  ...both("unsubscribing all, with another channel only", `SUBSCRIBE ${O}`, "UNSUBSCRIBE", "UNSUBSCRIBE", "GET k"),
  ...both(
    "unsubscribing all patterns, channels stay",
    `SUBSCRIBE ${F} ${O}`,
    "PSUBSCRIBE socketio#*",
    "PUNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "PING",
  ),
  ...both(
    "unsubscribing all channels, patterns stay",
    `SUBSCRIBE ${F}`,
    "PSUBSCRIBE socketio#* n*",
    "UNSUBSCRIBE",
    "UNSUBSCRIBE",
    "PING",
  ),
  ...both(
    "subscribing again",
    `SUBSCRIBE ${F}`,
    `UNSUBSCRIBE ${F}`,
    `SUBSCRIBE ${F} ${O}`,
    `UNSUBSCRIBE ${O}`,
    `SUBSCRIBE ${O}`,
    "PING",
  ),
  ...both(
    "upper, lower and mixed case",
    `subscribe ${F}`,
    `SubScribe ${O}`,
    "pSUBSCRIBE socketio#*",
    `unsubscribe ${F}`,
    "ping",
  ),
  ...both(
    "names that are empty, binary or long",
    encodeRequest(["SUBSCRIBE", "", payload, "x".repeat(3_000), `socketio#${"y".repeat(3_000)}`]),
    "PING",
  ),
  ...both(
    "shard channels beside frame channels",
    "SSUBSCRIBE sh",
    `SUBSCRIBE ${F}`,
    "SSUBSCRIBE sh2",
    "SUNSUBSCRIBE sh",
    `UNSUBSCRIBE ${F}`,
    "PING",
  ),
  ...both(
    "shard channels named as frame channels",
    `SSUBSCRIBE ${F} ${F2}`,
    `SUBSCRIBE ${F}`,
    `SUNSUBSCRIBE ${F}`,
    `UNSUBSCRIBE ${F}`,
    "PING",
  ),
  ...["UNSUBSCRIBE", "PUNSUBSCRIBE"].flatMap((word) =>
    both(
      `${word} of everything of both kinds`,
      `SUBSCRIBE ${F} ${O} ${F2} tasks`,
      "PSUBSCRIBE socketio#* n* s*",
      word,
      "PING",
    ).map((one): Case => ({ ...one, look: "names" })),
  ),
  {
    name: "RESP2: subscribing in one write with what surrounds it",
    steps: [
      send(
        "a",
        "SET k v",
        `SUBSCRIBE ${F} ${O}`,
        "PING 1",
        "PSUBSCRIBE socketio#*",
        "PING 2",
        `UNSUBSCRIBE ${F} ${O}`,
        "PUNSUBSCRIBE socketio#*",
        "GET k",
      ),
    ],
  },
  {
    name: "RESP3: subscribing in one write with what surrounds it",
    steps: [
      send(
        "a",
        "HELLO 3",
        "SET k v",
        `SUBSCRIBE ${F} ${O}`,
        "GET k",
        `UNSUBSCRIBE ${F}`,
        "GET k",
        "PSUBSCRIBE socketio#*",
        "PING x",
        "HGETALL h",
      ),
    ],
  },
  {
    name: "inline SUBSCRIBE",
    steps: [raw("a", `SUBSCRIBE ${F} ${O}\r\n`), raw("a", "PING\r\nPING x\r\n"), raw("a", `UNSUBSCRIBE ${F}\r\n`)],
  },
];

// A command that the server does not know is not here: whether it does, only the server could say, and it does not know of
// a frame channel's subscription.
const notAllowed = [
  "GET k",
  `PUBLISH ${F} x`,
  "HELLO 3",
  "SELECT 1",
  "MULTI",
  "CLIENT ID",
  "PING a b",
  "SUBSCRIBE",
  "EVALSHA x 0",
];

export const modeCases: Case[] = [
  sequence("RESP2: what a subscriber of a frame channel may not do", `SUBSCRIBE ${F}`, ...notAllowed, "PING"),
  sequence("RESP2: what a subscriber of a frame pattern may not do", "PSUBSCRIBE socketio#*", ...notAllowed, "PING"),
  sequence("RESP2: what a subscriber of another channel may not do", `SUBSCRIBE ${O}`, ...notAllowed, "PING"),
  sequence(
    "RESP2: the mode ends with the last subscription",
    `SUBSCRIBE ${F} ${O}`,
    `UNSUBSCRIBE ${O}`,
    "GET k",
    `UNSUBSCRIBE ${F}`,
    "GET k",
    "SET k v",
  ),
  sequence(
    "RESP2: the other way round",
    `SUBSCRIBE ${F} ${O}`,
    `UNSUBSCRIBE ${F}`,
    "GET k",
    `UNSUBSCRIBE ${O}`,
    "GET k",
    "SET k v",
  ),
  sequence(
    "RESP3: commands beside subscriptions",
    "HELLO 3",
    `SUBSCRIBE ${F} ${O}`,
    "SET k v",
    "GET k",
    "MULTI",
    "GET k",
    "EXEC",
    "SELECT 1",
    "FOO",
  ),
  sequence(
    "RESP3 with subscriptions, then RESP2",
    "HELLO 3",
    `SUBSCRIBE ${F} ${O}`,
    "HELLO 2",
    "PING",
    "GET k",
    `UNSUBSCRIBE ${F}`,
    `UNSUBSCRIBE ${O}`,
    "GET k",
  ),
  sequence(
    "RESP3 with a frame channel only, then RESP2",
    "HELLO 3",
    `SUBSCRIBE ${F}`,
    "HELLO 2",
    "PING",
    "GET k",
    `UNSUBSCRIBE ${F}`,
    "GET k",
  ),
  ...both(
    "RESET ends subscriptions",
    `SUBSCRIBE ${F}`,
    "PSUBSCRIBE socketio#*",
    "RESET",
    "PING",
    "GET k",
    `SUBSCRIBE ${O}`,
    "RESET",
    `SUBSCRIBE ${F}`,
  ),
  ...both("QUIT as subscriber of a frame channel", `SUBSCRIBE ${F}`, "QUIT"),
  ...both("QUIT as subscriber of both kinds", `SUBSCRIBE ${F} ${O}`, "QUIT"),
  sequence("counts that the server knows", `SUBSCRIBE ${O}`, "PING"),
  {
    name: "PUBSUB of another channel",
    steps: [
      send("a", `SUBSCRIBE ${O} tasks`),
      send("b", `PUBSUB NUMSUB ${O} tasks none`, `PUBSUB CHANNELS ${O}*`, "PUBSUB NUMSUB"),
    ],
  },
  {
    name: "PUBSUB of a frame channel with one subscriber",
    steps: [send("a", `SUBSCRIBE ${F}`), send("b", `PUBSUB NUMSUB ${F} none`, `PUBSUB CHANNELS ${F}`)],
  },
];

function heard(name: string, subscribe: string[], ...publish: (string | Buffer)[]): Case[] {
  return ["2", "3"].map((version) => ({
    name: `RESP${version}: ${name}`,
    // How many heard it is the server's to know; for frame channels the sidecar's answer is no count.
    look: "integers",
    steps: [
      send("a", `HELLO ${version}`),
      ...subscribe.map((one) => send("a", one)),
      ...publish.map((one) => heardBy(["a"], "b", one)),
      send("a", "PING"),
    ],
  }));
}

const pub = (channel: string, data: Buffer | string) => encodeRequest(["PUBLISH", channel, data]);

export const messageCases: Case[] = [
  ...heard(
    "messages of a frame channel",
    [`SUBSCRIBE ${F}`],
    pub(F, "one"),
    pub(F, payload),
    pub(F, ""),
    pub(F, large),
  ),
  ...heard(
    "messages of another channel",
    [`SUBSCRIBE ${O}`],
    pub(O, "one"),
    pub(O, payload),
    pub(O, ""),
    pub(O, large),
  ),
  ...heard("messages of both kinds", [`SUBSCRIBE ${F} ${O}`], pub(F, "one"), pub(O, "two"), pub(F, "three")),
  ...heard("messages of a frame pattern", ["PSUBSCRIBE socketio#*"], pub(F2, "one"), pub("socketio#x", payload)),
  ...heard(
    "a channel and its pattern",
    [`SUBSCRIBE ${F2}`, "PSUBSCRIBE socketio#*"],
    pub(F2, "one"),
    pub("socketio#other", "two"),
  ),
  ...heard("a pattern that matches both kinds", ["PSUBSCRIBE *"], pub(O, "one"), pub(F, "two"), pub(F2, "three")),
  ...heard("a frame channel and a pattern of the server", [`SUBSCRIBE ${F}`, "PSUBSCRIBE soc*"], pub(F, "one")).map(
    (one): Case => ({ ...one, look: ["anyOrder", "integers"] }),
  ),
  {
    name: "PUBLISH to other channels counts its receivers",
    steps: [
      send("a", `SUBSCRIBE ${O}`),
      send("c", `PSUBSCRIBE ${O}*`),
      heardBy(["a", "c"], "b", pub(O, "x")),
      send("b", pub("none", "x"), pub("", "")),
    ],
  },
  {
    name: "RESP3: a publisher hears itself on another channel",
    look: "anyOrder",
    steps: [send("a", "HELLO 3", `SUBSCRIBE ${O}`), send("a", pub(O, "own"), "SET k v", "GET k")],
  },
  {
    name: "PUBLISH between commands keeps its place",
    look: "integers",
    steps: [
      send("a", "SET k 1", pub(F, "x"), "GET k", pub(O, "y"), "INCR k", pub(F, "z"), "GET k", pub(F2, payload), "PING"),
    ],
  },
  {
    name: "SPUBLISH",
    steps: [
      send("a", "SSUBSCRIBE sh"),
      heardBy(["a"], "b", encodeRequest(["SPUBLISH", "sh", payload])),
      send("b", `SPUBLISH ${F} x`, "SPUBLISH"),
    ],
  },
  { name: "PUBLISH that nobody hears", steps: [send("a", pub(O, "x")), send("a", pub(F, "x"))] },
];
