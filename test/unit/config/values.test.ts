/** Each kind of value: what is read, what is refused and why, and that showing and reading are inverse. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  address,
  channelList,
  choice,
  count,
  duration,
  isLoopback,
  type Kind,
  showHostPort,
  size,
} from "../../../src/config/values.js";

function read<T>(kind: Kind<T>, text: string): T {
  const outcome = kind.read(text);
  assert.ok(outcome.ok, `${text}: ${outcome.ok ? "" : outcome.problem}`);
  return outcome.value;
}

function refused(kind: Kind<unknown>, text: string): string {
  const outcome = kind.read(text);
  assert.ok(!outcome.ok, `${text} was accepted`);
  return `${outcome.problem}. ${outcome.remedy}`;
}

const MiB = 1024 ** 2;

describe("duration", () => {
  const kind = duration(1, 3_600_000);
  for (const [text, ms] of [
    ["5ms", 5],
    ["10s", 10_000],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["0.001s", 1],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(read(kind, text), ms));
  }
  for (const [text, words] of [
    ["5", /has no unit. Write 5ms/],
    ["5sec", /unknown unit sec. Write 5s;/],
    ["5 parsecs", /unknown unit parsecs/],
    ["-5ms", /is not a duration/],
    ["1e3ms", /unknown unit|not a duration/],
    ["ms", /is not a duration/],
    ["0ms", /out of bounds. Give a value from 1ms to 1h/],
    ["2h", /out of bounds/],
    ["1.5ms", /not a whole number of ms/],
    ["5ms5s", /is not a duration/],
  ] as const) {
    it(`refuses ${text}`, () => assert.match(refused(kind, text), words));
  }
});

describe("size", () => {
  const kind = size(1024, 1024 * MiB);
  for (const [text, bytes] of [
    ["64MiB", 64 * MiB],
    ["1.5KiB", 1536],
    ["2048B", 2048],
    ["1GiB", 1024 * MiB],
    ["1 MiB", MiB],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(read(kind, text), bytes));
  }
  for (const [text, words] of [
    ["65536", /has no unit. Write 65536B/],
    ["64MB", /unknown unit MB. Write 64MiB/],
    ["64Mi", /Write 64MiB/],
    ["64m", /Write 64MiB/],
    ["64k", /Write 64KiB/],
    ["1B", /out of bounds. Give a value from 1KiB to 1GiB/],
    ["9999999999999999999MiB", /is not a size/],
    ["0x10B", /unknown unit|is not a size/],
  ] as const) {
    it(`refuses ${text}`, () => assert.match(refused(kind, text), words));
  }
});

describe("quantities", () => {
  it("show as the text that reads as the same number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (value) => {
        const kind = size(0, 2 ** 40);
        assert.equal(read(kind, kind.show(value)), value);
        const time = duration(0, 2 ** 40);
        assert.equal(read(time, time.show(value)), value);
      }),
    );
  });
});

describe("count and choice", () => {
  const kind = count(1, 64);
  it("read what is in bounds", () => {
    assert.equal(read(kind, "64"), 64);
    assert.equal(read(choice(["auto", "off"]), "off"), "off");
  });
  for (const text of ["0", "65", "-1", "1.5", "1e1", "0x1", "", "one", "1 000"]) {
    it(`refuse ${JSON.stringify(text)}`, () => assert.match(refused(kind, text), /not a whole number|out of bounds/));
  }
  it("name the choices", () => assert.match(refused(choice(["auto", "off"]), "on"), /Choose auto or off/));
  it("do not take inherited names for choices", () => void refused(choice(["auto"]), "constructor"));
});

describe("address", () => {
  const kind = address("127.0.0.1:6380");
  for (const [text, host, port] of [
    ["127.0.0.1:6380", "127.0.0.1", 6380],
    ["localhost:0", "localhost", 0],
    ["[::1]:6380", "::1", 6380],
    ["[::]:65535", "::", 65_535],
    ["my-pod.ns_1.svc.:1", "my-pod.ns_1.svc.", 1],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(read(kind, text), { host, port });
      assert.equal(showHostPort({ host, port }), text);
    });
  }
  for (const [text, words] of [
    ["127.0.0.1", /has no port/],
    [":6380", /host that is neither/],
    ["6380", /has no port/],
    ["::1:6380", /host that is neither/],
    ["[::1]", /has no port/],
    ["[::1:6380", /host that is neither/],
    ["[nothex]:1", /host that is neither/],
    ["127.0.0.300:1", /host that is neither/],
    ["host:65536", /whole number from 0 to 65535/],
    ["host:", /whole number/],
    ["host:12a4", /whole number/],
    ["ho st:1", /host that is neither/],
    ["http://h:1", /host that is neither/],
  ] as const) {
    it(`refuses ${text}`, () => assert.match(refused(kind, text), words));
  }
});

describe("loopback", () => {
  for (const host of [
    "127.0.0.1",
    "127.9.9.9",
    "localhost",
    "LOCALHOST",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
  ]) {
    it(`includes ${host}`, () => assert.ok(isLoopback(host)));
  }
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.example", "localhost.example", "::ffff:10.0.0.1", "1::1"]) {
    it(`does not include ${host}`, () => assert.ok(!isLoopback(host)));
  }
});

describe("channel list", () => {
  it("reads names and prefixes, once each", () => {
    assert.deepEqual(read(channelList, "socketio, socketio#*,socketio"), ["socketio", "socketio#*"]);
  });
  for (const [text, words] of [
    ["a,,b", /empty entry/],
    ["*", /sidecars' own/],
    ["~*", /sidecars' own/],
    ["~kf*", /sidecars' own/],
    ["~kf1~socketio", /sidecars' own/],
    ["a*b", /A star may stand at the end/],
    ["a**", /A star may stand at the end/],
    ["a?", /no other patterns/],
    ["[ab]*", /no other patterns/],
  ] as const) {
    it(`refuses ${text}`, () => assert.match(refused(channelList, text), words));
  }
});
