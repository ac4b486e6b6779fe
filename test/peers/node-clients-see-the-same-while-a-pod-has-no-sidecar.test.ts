/** The same for Node, whose servers subscribe by pattern: counting subscribers cannot show the pod without a sidecar. */
import { compare } from "./harness/compare.js";
import { expectRaw } from "./harness/expect.js";
import { nodeWorld } from "./harness/node.js";
import { burst, growing } from "./scenarios/growing.js";
import { nodeAcks, nodeBroadcasts, nodeFetch } from "./scenarios/node.js";

compare({
  plan: nodeWorld("ioredis"),
  ways: { mixed: { env: {}, without: "B" } },
  scenarios: [nodeBroadcasts, nodeFetch, nodeAcks, growing, burst],
  check: expectRaw,
});
