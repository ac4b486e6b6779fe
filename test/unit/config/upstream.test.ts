/** Upstream URLs: every form that is read, every slip that is refused, and that they show without credentials. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Upstream } from "../../../src/config/types.js";
import { parseUpstreamUrl, showUpstream } from "../../../src/config/upstream.js";

function upstream(text: string): Upstream {
  const outcome = parseUpstreamUrl(text);
  assert.ok(outcome.ok, `${text}: ${outcome.ok ? "" : outcome.problem}`);
  return outcome.value.upstream;
}

const plain = { kind: "static", tls: false, db: 0, port: 6379 } as const;

describe("an upstream URL", () => {
  const cases: [string, Upstream][] = [
    ["redis://valkey", { ...plain, host: "valkey" }],
    ["REDIS://valkey:7000/", { ...plain, host: "valkey", port: 7000 }],
    ["redis://:pass@valkey/3", { ...plain, host: "valkey", password: "pass", db: 3 }],
    ["redis://app@valkey", { ...plain, host: "valkey", username: "app" }],
    ["redis://app:p%40%2F%3A%25@valkey", { ...plain, host: "valkey", username: "app", password: "p@/:%" }],
    ["redis://app:a:b@c@valkey", { ...plain, host: "valkey", username: "app", password: "a:b@c" }],
    ["redis://u%C3%A9:%F0%9F%94%91@valkey", { ...plain, host: "valkey", username: "ué", password: "🔑" }],
    ["redis://[::1]/1", { ...plain, host: "::1", db: 1 }],
    ["redis://u:p@[2001:db8::5]:6390", { ...plain, host: "2001:db8::5", port: 6390, username: "u", password: "p" }],
    ["rediss://valkey", { ...plain, host: "valkey", tls: true }],
    [
      "redis+sentinel://u:p@s1,s2:26380,[fd00::3]:26381/2/mymaster",
      {
        kind: "sentinel",
        tls: false,
        username: "u",
        password: "p",
        db: 2,
        master: "mymaster",
        nodes: [
          { host: "s1", port: 26_379 },
          { host: "s2", port: 26_380 },
          { host: "fd00::3", port: 26_381 },
        ],
      },
    ],
    [
      "rediss+sentinel://s1/0/main%20one",
      { kind: "sentinel", tls: true, db: 0, master: "main one", nodes: [{ host: "s1", port: 26_379 }] },
    ],
  ];
  for (const [text, expected] of cases) it(`reads ${text}`, () => assert.deepEqual(upstream(text), expected));

  const slips: [string, RegExp][] = [
    ["valkey:6379", /is not a URL/],
    ["http://valkey", /has a scheme/],
    ["unix:///run/redis.sock", /has a scheme/],
    ["constructor://valkey", /has a scheme/],
    ["redis://", /has no host/],
    ["redis://u:p@", /has no host/],
    ["redis://a,b", /several hosts/],
    ["redis+sentinel://a,,b/0/m", /empty one/],
    ["redis://h:0", /port that is not/],
    ["redis://h:65536", /port that is not/],
    ["redis://h:12a4", /port that is not/],
    ["redis://::1", /IPv6 host without brackets/],
    ["redis://h_!", /neither an IP address nor a host name/],
    ["redis://1.2.3", /neither an IP address nor a host name/],
    ["redis://h/x", /database that is not/],
    ["redis://h/-1", /database that is not/],
    ["redis://h/0/extra", /more in its path/],
    ["redis://h?db=1", /gives db as a query parameter/],
    ["redis://h?password=x", /gives password as a query parameter/],
    ["redis://h#frag", /fragment/],
    ["redis://u:100%@h", /percent escape/],
    ["redis://u:%ff@h", /percent escape/],
    ["redis://u:a/b@h", /@ behind the host[\s\S]*Percent-encode/],
    ["redis://u:12?34@h", /@ behind the host/],
    ["redis://u:12#34@h", /@ behind the host/],
    ["redis://u:a b@h", /white space/],
    ["redis+sentinel://s1", /does not name the master/],
    ["redis+sentinel://s1/0", /does not name the master/],
    ["redis+sentinel://s1/mymaster", /database that is not/],
    ["redis+sentinel://s1/0/m/x", /more in its path/],
    ["redis+sentinel://s1/0/%zz", /percent escape/],
  ];
  for (const [text, words] of slips) {
    it(`refuses ${text}`, () => {
      const outcome = parseUpstreamUrl(text);
      assert.ok(!outcome.ok);
      assert.match(`${outcome.problem}. ${outcome.remedy}`, words);
    });
  }

  it("ignores client parameters, and says so", () => {
    const outcome = parseUpstreamUrl("rediss://h/1?ssl_cert_reqs=none&protocol=3");
    assert.ok(outcome.ok && outcome.value.ignoredQuery);
  });

  it("shows the user beside a password, never the password, and a lone user not at all", () => {
    assert.equal(showUpstream(upstream("redis://a%40b:p@h/1")), "redis://a%40b:***@h:6379/1");
    assert.equal(showUpstream(upstream("redis://secret@h")), "redis://***@h:6379/0");
    assert.equal(showUpstream(upstream("redis://:p@h")), "redis://:***@h:6379/0");
    assert.equal(
      showUpstream(upstream("rediss+sentinel://:p@a,[::1]/0/m/")),
      "rediss+sentinel://:***@a:26379,[::1]:26379/0/m",
    );
  });

  it("gives back any credentials that were percent-encoded", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(text, text, (username, password) => {
        const url = `redis://${encodeURIComponent(username)}:${encodeURIComponent(password)}@h`;
        assert.deepEqual(upstream(url), { ...plain, host: "h", username, password });
      }),
    );
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (tail) => void parseUpstreamUrl(`redis://${tail}`)));
  });
});
