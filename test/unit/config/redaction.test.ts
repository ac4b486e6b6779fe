/** No password ever appears: neither in errors, nor in the effective configuration, nor in warnings, nor in log lines. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createLog } from "../../../src/cli/log.js";
import { effectiveJson, effectiveText, issueText } from "../../../src/config/help.js";
import { type Env, type Files, parseConfig, secretsOf } from "../../../src/config/parse.js";
import { redactUrls, scrubber, shownValue } from "../../../src/config/redact.js";

/** A run of characters that no message of ours contains, so that finding it means a leak. */
const piece = fc.stringMatching(/^[QXZ][qxz7]{5,9}$/);
const glue = fc.constantFrom(
  "",
  "/",
  "?",
  "#",
  "@",
  ":",
  "%",
  "%2F",
  " ",
  "=",
  "&",
  ",",
  "[",
  "]",
  "\\",
  '"',
  "\n",
  "é",
  "🔑",
  "://",
);
/** A password in pieces: none of the pieces may appear, however the characters between them split a URL. */
const password = fc
  .tuple(fc.array(fc.tuple(piece, glue), { minLength: 1, maxLength: 4 }), glue)
  .map(([parts, head]) => ({
    pieces: parts.map(([text]) => text),
    text: head + parts.map(([text, join]) => text + join).join(""),
  }));

const scheme = fc.constantFrom("redis", "rediss", "redis+sentinel", "rediss+sentinel", "http", "rdis");
const host = fc.constantFrom("h", "h:6379", "h:x", "h1:1,h2:2", "[::1]:9", "", "h:0");
const tail = fc.constantFrom("", "/", "/0", "/0/mymaster", "/x", "?a=b", "#f");

/** Everything a person could read of a parse. */
function everything(env: Env, flags: Record<string, string>, files: Files): string {
  const result = parseConfig(env, flags, files);
  if (!result.ok) return result.errors.map(issueText).join("\n") + JSON.stringify(result.errors);
  const { settings, warnings } = result;
  return effectiveText(settings) + effectiveJson(settings, warnings) + warnings.join("\n");
}

function assertHidden(output: string, pieces: readonly string[]): void {
  for (const text of pieces) assert.ok(!output.includes(text), `${text} leaks in ${output}`);
}

describe("a password", () => {
  it("in a URL, escaped or not, in the right variable or a wrong one, never shows", () => {
    const variable = fc.constantFrom(
      "KEYFRAME_UPSTREAM",
      "KEYFRAME_UPSTREM",
      "KEYFRAME_UPSTREAM_URL",
      "KEYFRAME_LISTEN",
      "KEYFRAME_FRAMES",
      "KEYFRAME_HOLD",
    );
    fc.assert(
      fc.property(password, scheme, host, tail, variable, fc.boolean(), (secret, proto, at, end, name, encode) => {
        const userinfo = encode ? encodeURIComponent(secret.text) : secret.text;
        const url = `${proto}://app:${userinfo}@${at}${end}`;
        // Elsewhere than in the upstream, a value that no longer looks like one URL may be shown.
        fc.pre(name.includes("UPSTR") || encode || !/\s/.test(secret.text));
        assertHidden(everything({ [name]: url }, {}, {}), secret.pieces);
        if (name === "KEYFRAME_UPSTREAM") assertHidden(everything({}, { upstream: url }, {}), secret.pieces);
      }),
      { numRuns: 2000 },
    );
  });

  it("in a variable or a file of its own never shows", () => {
    fc.assert(
      fc.property(
        password,
        fc.constantFrom("redis://h", "redis://u:x@h", "redis+sentinel://h/0/m", "nonsense"),
        (secret, url) => {
          const files: Files = { "/p": { ok: true, text: secret.text } };
          for (const name of ["UPSTREAM_PASSWORD", "SENTINEL_PASSWORD"]) {
            assertHidden(
              everything({ KEYFRAME_UPSTREAM: url, [`KEYFRAME_${name}`]: secret.text }, {}, files),
              secret.pieces,
            );
            assertHidden(
              everything({ KEYFRAME_UPSTREAM: url, [`KEYFRAME_${name}_FILE`]: "/p" }, {}, files),
              secret.pieces,
            );
          }
          assertHidden(
            everything({ KEYFRAME_UPSTREAM: url }, { "upstream-password": secret.text }, files),
            secret.pieces,
          );
        },
      ),
    );
  });

  it("never reaches the log, wherever a caller puts it", () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    fc.assert(
      fc.property(password, (secret) => {
        lines.length = 0;
        const result = parseConfig(
          { KEYFRAME_UPSTREAM: "redis+sentinel://s/0/m", KEYFRAME_UPSTREAM_PASSWORD: secret.text },
          {},
        );
        assert.ok(result.ok);
        const { log } = createLog({ level: "debug", secrets: secretsOf(result.config), destination });
        const url = `redis://app:${encodeURIComponent(secret.text)}@h:6379/0`;
        const cause = new Error(`dial ${url}`, { cause: new AggregateError([new Error(secret.text)], secret.text) });
        log.debug("a", { text: `before ${secret.text} after`, url, deep: { list: [{ x: [secret.text] }] } });
        log.error("b", { error: cause, config: result.config, [secret.text]: 1 });
        log.info("c", { password: 42, authToken: secret.text, secret: { text: secret.text } });
        assert.equal(lines.length, 3);
        for (const line of lines) JSON.parse(line);
        assertHidden(lines.join(""), secret.pieces);
      }),
    );
  });
});

describe("redaction of text", () => {
  it("takes credentials out of URLs and leaves the rest", () => {
    assert.equal(redactUrls("dial redis://u:p@h:1/0 failed"), "dial redis://***@h:1/0 failed");
    assert.equal(redactUrls("redis://u:a/b@c@h"), "redis://***@h");
    assert.equal(redactUrls("redis://h:1/0 and a@b"), "redis://h:1/0 and a@b");
  });
  it("bounds and quotes shown values", () => {
    assert.equal(shownValue("a\n\u001b[31m"), '"a\\n\\u001b[31m"');
    assert.equal(shownValue("x".repeat(200)).length, 83);
  });
  it("scrubs longer secrets first and leaves very short ones alone", () => {
    const clean = scrubber(["abcd", "abcdefgh", "a", undefined, "p@ss/w"]);
    assert.equal(clean("abcdefgh abcd a p@ss/w p%40ss%2Fw"), "*** *** a *** ***");
  });
  it("copes with half a surrogate pair", () => assert.equal(scrubber(["\ud800abcd"])("x \ud800abcd"), "x ***"));
});
