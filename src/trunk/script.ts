/**
 * Compare-and-publish: the script that makes half rolled-out fleets safe.
 *
 * A sidecar subscribes to a channel and to its side channel in one command, so equal counts on both prove, within the
 * script's own atomic moment, that every subscriber can rebuild. Pattern subscribers are in neither count; while there is
 * one, only an operator's word (a uniform fleet) lets deltas flow.
 *
 * ARGV[1] says who asks, in as few bytes as it takes, because a quiet sidecar pays them with every frame: "u" where the fleet
 * is declared uniform, else "c"; "1" where the server has confirmed the inbox of our living connection, else "0" (whoever
 * cannot be asked for a base sends raw); then that inbox's name without its prefix, `<epoch>.<connection>`.
 *
 * Then the messages. Each begins with one letter and the channel, together one argument:
 *
 *   - "s", records: for the side channel
 *   - "r", payload: a raw one for the channel itself
 *   - "w", word, payload: the same, behind a word in the sender's inbox, whichever its connection
 *   - "q", or "Q" where the sender is one of those who are counted: is anybody there besides the sender?
 *   - "m" or "M", room: is anybody in that room besides the sender, where all sidecars are counted in their rooms?
 *   - "n" or "N", room: the same question, which refuses nothing
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
 * All that is counted is counted in one command: a call from the script costs the server more than a publish to a subscriber.
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

export const PUBLISH_SCRIPT = `local uniform = string.sub(ARGV[1], 1, 1) == 'u'
local inbox = '~kf1~in~' .. string.sub(ARGV[1], 3)
local patterns
local function numpat()
  if patterns == nil then
    patterns = redis.pcall('PUBSUB', 'NUMPAT')
    if type(patterns) ~= 'number' then patterns = 1 end
  end
  return patterns
end
local size = {s = 2, r = 2, w = 3, q = 1, Q = 1, m = 2, M = 2, n = 2, N = 2}
local asked, place = {inbox}, {}
local function ask(name)
  if place[name] == nil then
    asked[#asked + 1] = name
    place[name] = #asked * 2
  end
end
local i = 2
while i <= #ARGV do
  local kind, channel = string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2)
  ask(channel)
  ask('~kf1~' .. channel)
  if string.find('mMnN', kind, 1, true) then
    ask('~kf1~to~')
    ask('~kf1~to~' .. ARGV[i + 1])
  end
  i = i + size[kind]
end
local counts = redis.pcall('PUBSUB', 'NUMSUB', unpack(asked))
local known = counts.err == nil
local reachable = known and string.sub(ARGV[1], 2, 2) == '1' and counts[2] > 0
local out = {}
local n = 0
local refused = false
local function alone(listeners, own)
  local all, there = counts[place['~kf1~to~']], counts[place['~kf1~to~' .. ARGV[i + 1]]]
  return known and numpat() == 0 and all == listeners and there == own
end
i = 2
while i <= #ARGV do
  local kind, channel = string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2)
  n = n + 1
  if refused then
    out[n] = -4
  else
    local listeners, beside = 0, 0
    if known then listeners, beside = counts[place[channel]], counts[place['~kf1~' .. channel]] end
    local equal = reachable and (uniform or (listeners == beside and numpat() == 0))
    if kind == 'r' or kind == 'w' then
      if kind == 'w' then redis.pcall('PUBLISH', string.match(inbox, '^[^.]*'), ARGV[i + 1]) end
      local heard = redis.pcall('PUBLISH', channel, ARGV[i + size[kind] - 1])
      if type(heard) == 'table' then
        out[n] = heard.err
      else
        out[n] = heard * 2 + (equal and 1 or 0)
      end
    elseif kind == 'n' or kind == 'N' then
      out[n] = equal and alone(listeners, kind == 'N' and 1 or 0) and 0 or 1
    elseif not equal then
      refused = true
      out[n] = not reachable and -5 or numpat() > 0 and -2 or -1
    elseif kind == 's' then
      local heard = redis.pcall('PUBLISH', '~kf1~' .. channel, ARGV[i + 1])
      if type(heard) == 'table' then
        refused = true
        out[n] = -3
      else
        out[n] = listeners
      end
    else
      local nobody
      if kind == 'm' or kind == 'M' then
        nobody = alone(listeners, kind == 'M' and 1 or 0)
      else
        local own = kind == 'Q' and 1 or 0
        nobody = listeners == own and beside == own and numpat() == 0
      end
      if nobody then
        out[n] = 0
      else
        refused = true
        out[n] = -6
      end
    end
  end
  i = i + size[kind]
end
return out
`;

export const PUBLISH_SCRIPT_SHA = createHash("sha1").update(PUBLISH_SCRIPT).digest("hex");
