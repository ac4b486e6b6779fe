/**
 * The request decoder: any bytes in any pieces mean the same, and what a naive twin says they mean; forgetting a
 * request's bytes half-way changes nothing of what comes behind it.
 */
import { defaultRespLimits, type RespLimits } from "../../../src/core/limits.js";
import { RequestDecoder } from "../../../src/resp/request.js";
import { twinRequests } from "../../unit/resp/twin.js";
import { agree, byteByByte, guarded, Input, pieces, refused } from "../input.js";

const limits: readonly RespLimits[] = [
  defaultRespLimits,
  { maxBulkBytes: 64, maxArgs: 8, maxDepth: 4, maxLineBytes: 48 },
];

interface Seen {
  requests: string;
  /** The same without the requests' own bytes, which a released one no longer has. */
  outlines: string;
  end: string;
}

function decode(chunks: readonly Buffer[], within: RespLimits, release: boolean): Seen {
  const decoder = new RequestDecoder(within);
  let requests = "";
  let outlines = "";
  const failure = guarded(() => {
    for (const chunk of chunks) {
      decoder.write(chunk);
      while (decoder.next()) {
        outlines += `${decoder.command} `;
        if (decoder.released) continue;
        for (let i = 0; i < decoder.argc; i++) {
          const arg = decoder.arg(i);
          if (arg.length !== decoder.argLength(i) || !arg.equals(decoder.copyArg(i)))
            throw new Error("arguments differ");
          requests += `${arg.toString("latin1")}\u0100`;
        }
        requests += `${Buffer.concat(decoder.raw()).toString("latin1")}\u0101`;
      }
      if (release) decoder.release();
    }
  });
  const end = refused(failure) ? failure.message : String(decoder.pendingBytes);
  return { requests, outlines, end };
}

function twin(bytes: Buffer, within: RespLimits): Seen {
  const { requests, pendingBytes, error } = twinRequests(bytes.toString("latin1"), within);
  const shown = requests.map(({ args, raw }) => `${args.map((arg) => `${arg}\u0100`).join("")}${raw}\u0101`);
  return { requests: shown.join(""), outlines: "", end: error ?? String(pendingBytes) };
}

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const within = limits[input.u8() % limits.length]!;
  const cuts = [input.u16(), input.u16(), input.u8()];
  const bytes = input.rest();
  const whole = decode([bytes], within, false);
  const ways: [string, Seen][] = [
    ["in pieces", decode(pieces(bytes, cuts), within, false)],
    ["byte by byte", decode(byteByByte(bytes), within, false)],
    ["the twin", twin(bytes, within)],
  ];
  for (const [what, seen] of ways) {
    agree(`requests, ${what}`, whole.requests, seen.requests);
    agree(`the end, ${what}`, whole.end, seen.end);
  }
  const released = decode(pieces(bytes, cuts), within, true);
  agree("commands, released", whole.outlines, released.outlines);
  agree("the end, released", whole.end, released.end);
}
