/**
 * Compare-and-publish: the script that makes half rolled-out fleets safe.
 *
 * A sidecar subscribes to a channel and to its side channel in one command, so equal counts on both prove, within the
 * script's own atomic moment, that every subscriber can rebuild. Pattern subscribers are in neither count; while there is
 * one, only an operator's word (a uniform fleet) lets deltas flow.
 *
 * ARGV[1]: "1" where the fleet is declared uniform. ARGV[2]: the inbox of the sender's living connection; a sender whose
 * inbox nobody hears cannot be asked for a base, so its frames go raw. ARGV[3]: the sender's inbox, whichever connection.
 * Then four arguments a message: channel, kind, extra, payload.
 *
 *   - kind "s": records for the side channel
 *   - kind "r": one raw payload for the channel itself; extra: a word for the sender's inbox that precedes it, or empty
 *   - kind "q": is anybody there besides the sender? extra: "1" where it is one of those who are counted. A payload names a
 *     room's presence channel: then it is only asked who is in that room, if all sidecars are counted in their rooms
 *   - kind "n": the same question about a room, which refuses nothing
 *
 * Reply: one element a message, in order.
 *   - side, delivered: the count of subscribers of the channel
 *   - silent, nobody there: 0
 *   - question: 0 nobody there, 1 somebody, or it cannot be known
 *   - refused: a negative Refusal. Everything after it in the batch is refused as well, so that a frame which
 *     must now go another way is not overtaken by a later one of its domain
 *   - raw, delivered: 2 × receivers, plus 1 where a side message would have been possible
 *   - a string: the server's error for this message, not delivered
 *
 * No shebang: `#!lua` adds refusals that PUBLISH itself does not have (out of memory, stale replicas). `redis.pcall`
 * throughout: an error of one message must not take back the answer for those before it.
 */
import { createHash } from "node:crypto";

export const Refusal = {
  MixedFleet: -1,
  Patterns: -2,
  SideDenied: -3,
  AfterRefusal: -4,
  Unreachable: -5,
  Audience: -6,
} as const;

export const PUBLISH_SCRIPT = `local uniform = ARGV[1] == '1'
local patterns
local function numpat()
  if patterns == nil then
    patterns = redis.pcall('PUBSUB', 'NUMPAT')
    if type(patterns) ~= 'number' then patterns = 1 end
  end
  return patterns
end
local reachable = false
if ARGV[2] ~= '' then
  local counts = redis.pcall('PUBSUB', 'NUMSUB', ARGV[2])
  reachable = counts.err == nil and counts[2] > 0
end
local asked, place = {'~kf1~to~'}, {}
for i = 4, #ARGV, 4 do
  if ARGV[i + 1] == 'n' or (ARGV[i + 1] == 'q' and ARGV[i + 3] ~= '') then
    asked[#asked + 1] = ARGV[i + 3]
    place[i] = #asked * 2
  end
end
local present = #asked > 1 and redis.pcall('PUBSUB', 'NUMSUB', unpack(asked))
local function alone(listeners, i, own)
  return numpat() == 0 and present.err == nil and present[2] == listeners and present[place[i]] == tonumber(own)
end
local out = {}
local counted, listeners, beside, equal
local n = 0
local refused = false
for i = 4, #ARGV, 4 do
  local channel, kind, extra, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  n = n + 1
  if refused then
    out[n] = -4
  else
    local side = '~kf1~' .. channel
    if channel ~= counted then
      local counts = redis.pcall('PUBSUB', 'NUMSUB', channel, side)
      counted, listeners, beside, equal = channel, 0, 0, false
      if counts.err == nil then
        listeners, beside = counts[2], counts[4]
        equal = reachable and (uniform or (numpat() == 0 and listeners == beside))
      end
    end
    if kind == 'r' then
      if extra ~= '' then redis.pcall('PUBLISH', ARGV[3], extra) end
      local heard = redis.pcall('PUBLISH', channel, payload)
      if type(heard) == 'table' then
        out[n] = heard.err
      else
        out[n] = heard * 2 + (equal and 1 or 0)
      end
    elseif kind == 'n' then
      out[n] = equal and alone(listeners, i, extra) and 0 or 1
    elseif not equal then
      refused = true
      out[n] = not reachable and -5 or numpat() > 0 and -2 or -1
    elseif kind == 'q' then
      local own = tonumber(extra)
      local nobody
      if payload ~= '' then
        nobody = alone(listeners, i, own)
      else
        nobody = listeners == own and beside == own and numpat() == 0
      end
      if nobody then
        out[n] = 0
      else
        refused = true
        out[n] = -6
      end
    else
      local heard = redis.pcall('PUBLISH', side, payload)
      if type(heard) == 'table' then
        refused = true
        out[n] = -3
      else
        out[n] = listeners
      end
    end
  end
end
return out
`;

export const PUBLISH_SCRIPT_SHA = createHash("sha1").update(PUBLISH_SCRIPT).digest("hex");
