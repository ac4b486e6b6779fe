/**
 * Cases of the command plane: data commands, inline requests, transactions, blocking commands, scripts, and whatever
 * a server refuses, with its own words.
 */

import { createHash } from "node:crypto";
import { encodeRequest } from "../../support/resp-values.js";
import { type Case, heardBy, quietly, raw, send, sequence, words } from "./differential.js";

const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const large = Buffer.alloc(300_000, "0123456789abcdef");

export const dataCases: Case[] = [
  sequence("values of every RESP2 type", "SET k v", "GET k", "GET nothing", "INCR n", "DECRBY n 5", "TYPE k", "TTL k"),
  sequence("lists, hashes, sets", "RPUSH l a b c", "LRANGE l 0 -1", "LRANGE none 0 -1", "HSET h f 1", "HGETALL h"),
  sequence("nested and empty arrays", "XADD s 1-1 f v", "XRANGE s - +", "XREAD STREAMS s 0", "KEYS none*", "SCAN 0"),
  {
    name: "a binary value, a large value and an empty one",
    steps: [
      send("a", encodeRequest(["SET", binary, binary]), encodeRequest(["GET", binary])),
      send("a", encodeRequest(["SET", "large", large]), "GET large"),
      send("a", encodeRequest(["SET", "empty", ""]), "GET empty"),
    ],
  },
  {
    name: "a pipeline of 600 requests in one write",
    steps: [send("a", ...Array.from({ length: 200 }, (_, i) => [`SET k${i} ${i}`, `GET k${i}`, "PING"]).flat())],
  },
  sequence("RESP3 types", "HELLO 3", "HSET h f 1", "HGETALL h", "SADD s x", "SMEMBERS s", "ZADD z 1.5 m", "ZSCORE z m"),
  sequence(
    "RESP3 nulls, doubles and maps",
    "HELLO 3",
    "GET none",
    "LPOP none 2",
    "ZADD z inf m",
    "ZRANGE z 0 -1 WITHSCORES",
  ),
  sequence("RESP3 verbatim and booleans", "HELLO 3", "EVAL return{true,false,{double=1.5}} 0", "LOLWUT VERSION 99"),
  {
    name: "keys live in the database that was selected",
    steps: [
      send("a", "SELECT 1", "SET k one", "SELECT 0", "GET k", "SELECT 1", "GET k"),
      send("b", "GET k"),
      send("a", "SELECT 99", "SELECT abc", "SELECT -1", "GET k", "SELECT", "SELECT 1 2"),
    ],
  },
];

export const inlineCases: Case[] = [
  {
    name: "inline requests",
    steps: [raw("a", "PING\r\n"), raw("a", "SET k v\r\nGET k\r\n"), raw("a", "ping hello\n")],
  },
  { name: "inline quotes and escapes", steps: [raw("a", 'ECHO "a b\\x00\\n\\"c"\r\nECHO \'it\\\'s\'\r\nECHO ""\r\n')] },
  {
    name: "inline and array requests mixed",
    steps: [raw("a", Buffer.concat([words("SET k v"), Buffer.from("GET k\r\n"), words("GET k")]))],
  },
  { name: "empty requests are answered by nothing", steps: [raw("a", "\r\n\r\n*0\r\n*-1\r\n\n   \r\nPING\r\n")] },
  { name: "inline unbalanced quotes", steps: [raw("a", 'PING\r\nSET "k v\r\nPING\r\n')] },
  { name: "inline text after a closing quote", steps: [raw("a", 'SET "k"v 1\r\n')] },
  { name: "too long an inline request", steps: [raw("a", Buffer.alloc(70_000, "x"))] },
];

export const protocolErrorCases: Case[] = [
  // Counts and lengths over a limit are not here: the sidecar's limits are its own, and so are their errors.
  ["*abc\r\n", "a count that is no number"],
  ["*1a\r\n$4\r\nPING\r\n", "a count with a letter"],
  ["*99999999999999999999\r\n", "a count beyond 64 bits"],
  ["*1\r\nPING\r\n", "a bulk string is missing"],
  ["*1\r\n:1\r\n", "an integer as argument"],
  ["*1\r\n$abc\r\n", "a length that is no number"],
  ["*1\r\n$-1\r\n", "a negative length"],
  ["*1\r\n$4a\r\nPING\r\n", "a length with a letter"],
  [`*${"1".repeat(70_000)}`, "an endless count"],
  [`*1\r\n$${"1".repeat(70_000)}`, "an endless length"],
].map(([bytes, name]) => ({
  name: `protocol error: ${name}`,
  steps: [send("a", "SET k v", "GET k", Buffer.from(bytes as string))],
}));

export const refusedCases: Case[] = [
  sequence("an unknown command", "FOO", "FOO a b c", "GET k", "foo2 x"),
  sequence("unknown subcommands", "CLIENT FOO", "CONFIG FOO", "SCRIPT FOO", "PUBSUB FOO", "OBJECT FOO", "XINFO FOO"),
  sequence("a maintenance notification request", "CLIENT MAINT_NOTIFICATIONS ON", "PING"),
  sequence(
    "wrong arity",
    "GET",
    "GET a b",
    "SET k",
    "PING a b",
    "ECHO",
    "HSET h f",
    "SUBSCRIBE",
    "PUBLISH",
    "PUBLISH a",
  ),
  sequence(
    "wrong arity of what a sidecar reads",
    "PUBLISH socketio",
    "PUBLISH socketio a b",
    "PSUBSCRIBE",
    "HELLO 3 AUTH x",
  ),
  sequence("wrong type", "SET k v", "LPUSH k x", "HGET k f", "INCR k", "GET k"),
  sequence("an empty command name", encodeRequest([""]), "PING"),
  sequence("a long unknown command", encodeRequest(["X".repeat(300), "Y".repeat(300)]), "PING"),
];

export const transactionCases: Case[] = [
  sequence("MULTI and EXEC", "MULTI", "SET k v", "GET k", "INCR n", "EXEC", "GET k"),
  { name: "MULTI and EXEC in one write", steps: [send("a", "MULTI", "SET k v", "GET k", "EXEC", "GET k")] },
  sequence("an error when queueing aborts", "MULTI", "SET k v", "FOO", "GET", "EXEC", "GET k"),
  sequence("an error when running does not", "SET k v", "MULTI", "LPUSH k x", "SET k2 v2", "EXEC", "GET k2"),
  sequence("DISCARD", "MULTI", "SET k v", "DISCARD", "GET k", "DISCARD", "EXEC"),
  sequence("nested MULTI, WATCH inside", "MULTI", "MULTI", "WATCH k", "EXEC"),
  sequence("an empty transaction", "MULTI", "EXEC", "EXEC"),
  {
    name: "WATCH is broken by another connection",
    steps: [send("a", "WATCH k"), send("b", "SET k other"), send("a", "MULTI", "SET k mine", "EXEC", "GET k")],
  },
  {
    name: "UNWATCH",
    steps: [send("a", "WATCH k", "UNWATCH"), send("b", "SET k other"), send("a", "MULTI", "GET k", "EXEC")],
  },
  sequence(
    "RESP3 in a transaction",
    "HELLO 3",
    "MULTI",
    "HSET h f 1",
    "HGETALL h",
    "GET none",
    "EXEC",
    "WATCH k",
    "UNWATCH",
  ),
  sequence("PUBLISH in a transaction", "MULTI", "PUBLISH socketio x", "PUBLISH news x", "SET k v", "EXEC", "GET k"),
  {
    name: "SUBSCRIBE in a transaction",
    steps: [send("a", "MULTI"), send("a", "SUBSCRIBE socketio news"), send("a", "EXEC"), send("a", "PING")],
  },
  sequence(
    "SUBSCRIBE in a RESP3 transaction",
    "HELLO 3",
    "MULTI",
    "SUBSCRIBE news",
    "SUBSCRIBE socketio",
    "GET k",
    "EXEC",
    "PING",
  ),
  sequence(
    "PUBLISH after an aborted transaction",
    "MULTI",
    "FOO",
    "EXEC",
    "PUBLISH news x",
    "PUBLISH socketio x",
    "PING",
  ),
];

export const blockingCases: Case[] = [
  sequence("BLPOP runs into its timeout", "BLPOP none 0.05", "PING"),
  sequence("RESP3 BLPOP runs into its timeout", "HELLO 3", "BLPOP none 0.05", "PING"),
  {
    name: "BLPOP gets its value from another connection",
    steps: [quietly("a", "BLPOP l 5"), heardBy(["a"], "b", "RPUSH l x"), send("a", "PING")],
  },
  {
    name: "requests behind a BLPOP wait for it",
    steps: [quietly("a", "BLPOP l 5", "SET k v", "PUBLISH socketio x", "GET k"), heardBy(["a"], "b", "RPUSH l x")],
  },
  { name: "XREAD BLOCK", steps: [quietly("a", "XREAD BLOCK 5000 STREAMS s $"), heardBy(["a"], "b", "XADD s 1-1 f v")] },
  sequence("WAIT", "SET k v", "WAIT 0 10", "PING"),
];

export const scriptCases: Case[] = [
  {
    name: "EVAL and its values",
    steps: [
      ["EVAL", "return 1", 0],
      ["EVAL", "return {1,'a',{2,{3}},false,redis.status_reply('fine')}", 0],
      ["EVAL", "return redis.error_reply('MY words')", 0],
      ["EVAL", "return redis.call('SET',KEYS[1],ARGV[1])", 1, "k", "v"],
      ["EVAL", "return redis.call('GET',KEYS[1])", 1, "k"],
      ["EVAL", "return redis.call('LPUSH',KEYS[1],1)", 1, "k"],
      ["EVAL", "return nonsense(", 0],
      ["EVAL", "return nothing.here", 0],
      ["EVAL", "return 1", "x"],
      ["EVAL", "return 1", 5],
      ["EVAL_RO", "return redis.call('SET','k','v')", 0],
      ["FCALL", "nofunction", 0],
    ].map((args) => send("a", encodeRequest(args))),
  },
  {
    name: "EVALSHA, SCRIPT LOAD and NOSCRIPT",
    steps: [
      send("a", `EVALSHA ${"f".repeat(40)} 0`, "EVALSHA short 0"),
      send("a", encodeRequest(["SCRIPT", "LOAD", "return 42"])),
      send(
        "a",
        "EVALSHA 1fa00e76656cc152ad327c13fe365858fd7be306 0",
        "EVALSHA 1FA00E76656CC152AD327C13FE365858FD7BE306 0",
      ),
      send("a", `SCRIPT EXISTS 1fa00e76656cc152ad327c13fe365858fd7be306 ${"f".repeat(40)}`),
    ],
  },
  {
    name: "an unknown script in a transaction, and before a GET",
    steps: [
      send("a", "SET k v", "MULTI", `EVALSHA ${"f".repeat(40)} 0`, "GET k", "EXEC"),
      send("a", `EVALSHA ${"e".repeat(40)} 0`, "GET k"),
    ],
  },
  {
    name: "EVAL before a GET in one write, the same script twice",
    steps: [
      send("a", encodeRequest(["EVAL", "return redis.call('INCR',KEYS[1])", 1, "n"]), "GET n"),
      send("a", encodeRequest(["EVAL", "return redis.call('INCR',KEYS[1])", 1, "n"]), "GET n"),
    ],
  },
  ...longScriptCases(),
  {
    name: "a script that publishes",
    steps: [send("a", encodeRequest(["EVAL", "return redis.call('PUBLISH','socketio','x')", 0]), "PING")],
  },
];

/** Scripts long enough to be sent as their hash once they are known, each sent four times; before the last, forgotten. */
function longScriptCases(): Case[] {
  const padding = `-- ${"long ".repeat(20)}\n`;
  const scripts: [name: string, body: string, ...args: (string | number)[]][] = [
    ["an integer", "return redis.call('INCR',KEYS[1])", 1, "n"],
    ["nested values", "return {1,'a',{2,{3}},false,redis.status_reply('fine')}", 0],
    ["a long value", "return string.rep('x',200000)", 0],
    ["an error of its own", "return redis.error_reply('MY words')", 0],
    [
      "an error that the server says of unknown scripts",
      "return redis.error_reply('NOSCRIPT '..redis.call('INCR','n'))",
      0,
    ],
    [
      "an error that the server says of denied commands",
      "redis.call('INCR','n') return {err='NOPERM to ' .. ARGV[1]}",
      0,
      "'evalsha'",
    ],
    ["an error when running", "return nothing.here", 0],
    ["an error raised", "redis.call('INCR','n') error('boom')", 0],
    ["an unknown command", "return redis.call('NOSUCH')", 0],
    ["a wrong arity", "return redis.pcall('GET')", 0],
    ["a command that scripts may not run", "return redis.call('EVALSHA','x',0)", 0],
    ["what does not compile", "return nonsense(", 0],
    ["too many keys", "return redis.call('INCR',KEYS[1])", 5, "n"],
    ["a negative number of keys", "return 1", -1],
    ["keys that are not counted", "return 1", "x"],
    ["binary arguments", "return {ARGV[1],redis.sha1hex(ARGV[1])}", 0, "\u0000\r\n$5\r\n"],
    [
      "RESP3 in the script",
      "redis.setresp(3) redis.call('HSET',KEYS[1],'f','v') return redis.call('HGETALL',KEYS[1])",
      1,
      "h",
    ],
  ];
  const cases = scripts.map(([name, body, ...args]) => fourTimes(name, padding + body, args));
  cases.push(fourTimes("flags", `#!lua flags=no-writes\n${padding}return redis.call('SET','k','v')`, [0]));
  cases.push(fourTimes("unknown flags", `#!lua flags=nosuch\n${padding}return 1`, [0]));
  cases.push(
    fourTimes("in RESP3, values of every type", `${padding}return {true,false,{double=1.5},'x'}`, [0], "HELLO 3"),
  );
  const script = `${padding}return redis.call('INCRBY',KEYS[1],ARGV[1])`;
  const known = (n: number) => encodeRequest(["EVAL", script, 1, "n", n]);
  cases.push({
    name: "a known script in a transaction, in a pipeline, behind WATCH, and whether it exists",
    steps: [
      ...[1, 2, 3].map((n) => send("a", known(n))),
      send("a", "MULTI", known(4), "GET n", "EXEC"),
      ...["MULTI", known(5), "GET n", "EXEC"].map((one) => send("a", one)),
      send("a", "GET n", known(6), "GET n", known(7)),
      ...["WATCH n", known(8), "MULTI", "GET n", "EXEC"].map((one) => send("a", one)),
      send("b", "SCRIPT FLUSH"),
      ...["MULTI", known(9), "GET n", "EXEC"].map((one) => send("a", one)),
      send("b", `SCRIPT EXISTS ${createHash("sha1").update(script).digest("hex")}`),
      send("b", "SCRIPT FLUSH"),
      send("a", known(10), "GET n"),
      send("b", "SCRIPT FLUSH"),
      send("a", known(11)),
      send("a", "GET n"),
    ],
  });
  cases.push({
    name: "a known script under the debugger",
    steps: [
      ...[1, 2].map((n) => send("a", known(n))),
      send("a", "SCRIPT DEBUG SYNC"),
      send("a", known(3)),
      send("a", "continue"),
      send("b", "GET n"),
    ],
  });
  return cases;
}

function fourTimes(name: string, body: string, args: readonly (string | number)[], first = "PING"): Case {
  const call = send("a", encodeRequest(["EVAL", body, ...args]));
  return {
    name: `a long script, four times: ${name}`,
    steps: [send("a", first), call, call, call, send("b", "SCRIPT FLUSH"), call],
  };
}
