/**
 * Cases of the session: HELLO, AUTH, CLIENT, RESET, QUIT, half-closed connections, and replies switched off.
 */
import { encodeRequest } from "../../support/resp-values.js";
import { type Case, heardBy, quietly, send, sequence, words } from "./differential.js";

export const sessionCases: Case[] = [
  sequence("HELLO without a version", "HELLO", "PING"),
  sequence("HELLO 2, HELLO 3 and back", "HELLO 2", "GET none", "HELLO 3", "GET none", "HELLO 2", "GET none"),
  sequence("HELLO with a version that does not exist", "HELLO 4", "HELLO 1", "HELLO abc", "HELLO 33", "GET none"),
  sequence("HELLO keeps RESP3 after a refused one", "HELLO 3", "HELLO 4", "GET none", "HELLO 3 FOO", "GET none"),
  sequence(
    "HELLO with AUTH and SETNAME",
    "HELLO 3 AUTH default any SETNAME me",
    "CLIENT GETNAME",
    "HELLO 3 AUTH nobody x",
  ),
  sequence(
    "HELLO with a bad name",
    encodeRequest(["HELLO", "3", "SETNAME", "not a name"]),
    "GET none",
    "CLIENT GETNAME",
  ),
  {
    name: "HELLO 3 in one write with what follows",
    steps: [send("a", "HELLO 3", "GET none", "HSET h f v", "HGETALL h", "HELLO 2", "GET none")],
  },
  sequence(
    "AUTH without a password configured",
    "AUTH secret",
    "AUTH default secret",
    "AUTH nobody secret",
    "AUTH",
    "ACL WHOAMI",
  ),
  sequence(
    "names",
    "CLIENT GETNAME",
    "CLIENT SETNAME me",
    "CLIENT GETNAME",
    encodeRequest(["CLIENT", "SETNAME", "a b"]),
    "CLIENT GETNAME",
  ),
  sequence("library information", "CLIENT SETINFO LIB-NAME test", "CLIENT SETINFO LIB-VER 1", "CLIENT SETINFO FOO x"),
  sequence(
    "NO-EVICT and NO-TOUCH",
    "CLIENT NO-EVICT ON",
    "CLIENT NO-EVICT OFF",
    "CLIENT NO-EVICT x",
    "CLIENT NO-TOUCH ON",
  ),
  sequence("CLIENT without and with too many words", "CLIENT", "CLIENT ID x", "CLIENT GETNAME x", "CLIENT REPLY maybe"),
  { ...sequence("the connection's number", "CLIENT ID", "HELLO 3", "CLIENT ID"), look: "integers" },
  { ...sequence("the connection's description", "CLIENT SETNAME me", "CLIENT INFO"), look: "digits" },
  sequence(
    "tracking needs RESP3 or a redirect",
    "CLIENT TRACKING ON",
    "CLIENT TRACKING ON REDIRECT 999999",
    "CLIENT CACHING YES",
  ),
  {
    name: "tracking in RESP3",
    steps: [
      send("a", "HELLO 3", "CLIENT TRACKING ON", "GET k"),
      heardBy(["a"], "b", "SET k other"),
      send("a", "GET k", "CLIENT TRACKING OFF"),
    ],
  },
];

export const endCases: Case[] = [
  sequence("QUIT", "PING", "QUIT"),
  {
    name: "what follows QUIT is not answered",
    steps: [send("a", "SET k v", "QUIT", "GET k", "PUBLISH socketio x", "PING")],
  },
  sequence("QUIT in a transaction", "MULTI", "SET k v", "QUIT"),
  sequence("RESET", "HELLO 3", "SELECT 2", "CLIENT SETNAME me", "RESET", "CLIENT GETNAME", "GET none"),
  sequence("RESET in a transaction", "MULTI", "SET k v", "RESET", "EXEC", "GET k"),
  sequence("RESET with too many words", "RESET x", "PING"),
  {
    name: "RESET in one write with what surrounds it",
    steps: [send("a", "HELLO 3", "GET none", "RESET", "GET none", "PING")],
  },
  {
    name: "a half-closed connection gets its answers",
    steps: [{ ...send("a", "SET k v", "GET k", "PING"), end: true }],
  },
  {
    name: "half a request, then the end",
    steps: [{ ...send("a", "SET k v", "GET k", words("SET k other").subarray(0, 20)), end: true }],
  },
];

export const replyCases: Case[] = [
  {
    name: "CLIENT REPLY OFF and ON",
    steps: [send("a", "CLIENT REPLY OFF", "SET k v", "PING", "GET k", "CLIENT REPLY ON", "GET k")],
  },
  { name: "CLIENT REPLY SKIP before a GET", steps: [send("a", "SET k v", "CLIENT REPLY SKIP", "GET k", "PING")] },
  {
    name: "CLIENT REPLY SKIP before a PUBLISH",
    steps: [send("a", "SET k v", "CLIENT REPLY SKIP", "PUBLISH socketio x", "GET k", "PING")],
  },
  {
    name: "CLIENT REPLY SKIP in a write of its own",
    steps: [quietly("a", "CLIENT REPLY SKIP"), quietly("a", "PUBLISH socketio x"), send("a", "PING")],
  },
  {
    name: "PUBLISH with replies off",
    steps: [
      quietly("a", "CLIENT REPLY OFF", "PUBLISH socketio x", "PUBLISH news x"),
      quietly("a", "PING"),
      send("a", "CLIENT REPLY ON", "PING"),
    ],
  },
];

/** Played before servers that ask for a password. */
export const passwordCases: Case[] = [
  sequence(
    "nothing without a password",
    "PING",
    "GET k",
    "PUBLISH socketio x",
    "SUBSCRIBE socketio",
    "HELLO 3",
    "FOO",
    "SUBSCRIBE news",
  ),
  sequence(
    "frame channels without a password",
    "PSUBSCRIBE socketio#*",
    "UNSUBSCRIBE",
    "UNSUBSCRIBE socketio",
    "MULTI",
    "RESET",
    "QUIT",
  ),
  sequence("a wrong password", "AUTH wrong", "AUTH default wrong", "HELLO 3 AUTH default wrong", "GET k"),
  sequence("the right password", "AUTH secret", "SET k v", "PUBLISH news x", "SUBSCRIBE socketio", "PING"),
  sequence(
    "HELLO with the right password",
    "HELLO 3 AUTH default secret",
    "GET k",
    "SUBSCRIBE socketio news",
    "PING",
    "GET k",
  ),
  sequence(
    "RESET ends the identity",
    "AUTH secret",
    "RESET",
    "GET k",
    "PUBLISH socketio x",
    "SUBSCRIBE socketio",
    "AUTH secret",
    "SUBSCRIBE socketio",
  ),
  { name: "a long request before AUTH", steps: [send("a", "PING a b c d e f g h i j k l")] },
];
