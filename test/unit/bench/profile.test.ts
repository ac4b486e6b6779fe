/** What a profile says is added up by function and by room. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { costsOf } from "../../../bench/profile/top.js";

const node = (id: number, functionName: string, url = "") => ({ id, callFrame: { functionName, url, lineNumber: 1 } });

test("idle time is not busy time; shares are of the busy time", () => {
  const { busy, functions, rooms } = costsOf({
    nodes: [
      node(1, "(idle)"),
      node(2, "writeBuffer"),
      node(3, "take", "file:///x/dist/proxy/requests.js"),
      node(4, "", "node:net"),
      node(5, "next", "file:///x/dist/resp/request.js"),
    ],
    samples: [1, 2, 2, 3, 4, 5],
    timeDeltas: [500, 200, 100, 100, 50, 50],
  });
  assert.equal(busy, 0.5);
  assert.deepEqual(functions[0], { what: "writeBuffer", share: 0.6 });
  assert.deepEqual(functions[1], { what: "take (proxy/requests)", share: 0.2 });
  assert.deepEqual(
    rooms.map(({ what }) => what),
    ["system call or native code: writeBuffer", "src/proxy", "Node's JavaScript (net, streams, ticks)", "src/resp"],
  );
});
