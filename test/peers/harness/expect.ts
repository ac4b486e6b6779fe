/** What the figures of a scenario must be: deltas where every listener can rebuild them, and the bytes they save. */
import assert from "node:assert/strict";
import { growing } from "../scenarios/growing.js";
import type { Figures } from "./figures.js";
import type { Scenario } from "./world.js";

/** The growing messages of one file: ≥ 10 times fewer bytes of frames, and fewer of everything at the server. */
export function expectDeltas(scenario: Scenario, way: string, direct: Figures, through: Figures): void {
  if (scenario !== growing) return;
  assert.ok(through.deltasIn > 0, `${way}: deltas are sent`);
  assert.ok(through.deltasOut > 0, `${way}: deltas are received`);
  assert.ok(
    through.wireSent <= through.appSent / 10,
    `${way}: ${through.wireSent} B on the wire for ${through.appSent} B of frames`,
  );
  // The server's own count, which the sidecars' canaries and everything else are part of.
  assert.ok(
    through.serverIn <= direct.serverIn / 4,
    `${way}: the server reads ${through.serverIn} B instead of ${direct.serverIn}`,
  );
  assert.ok(
    through.serverOut <= direct.serverOut / 4,
    `${way}: the server writes ${through.serverOut} B instead of ${direct.serverOut}`,
  );
}

/** A listener that cannot rebuild deltas: everything must stay raw, byte for byte as without sidecars. */
export function expectRaw(_scenario: Scenario, way: string, _direct: Figures, through: Figures): void {
  assert.equal(through.deltasIn, 0, `${way}: nothing but raw frames while somebody could not rebuild others`);
}

/** As expectDeltas for a fleet declared uniform; where it is not, patterns keep everything raw. */
export function expectDeltasIfUniform(scenario: Scenario, way: string, direct: Figures, through: Figures): void {
  if (way === "uniform") expectDeltas(scenario, way, direct, through);
  else expectRaw(scenario, way, direct, through);
}
