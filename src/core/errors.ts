/**
 * Every error that keyframe raises itself, with its consequence. Callers branch on `code`, never on text.
 *
 * | code | consequence |
 * |---|---|
 * | config | refuse to start |
 * | protocol | answer `-ERR Protocol error: …`, close that connection |
 * | limit | answer an error, close that connection |
 * | frame | do not deliver; hold the stream and ask for a keyframe |
 * | upstream | answer an error to the requests that were waiting |
 * | shutdown | answer an error, the process is ending |
 */
export type ErrorCode = "config" | "protocol" | "limit" | "frame" | "upstream" | "shutdown";

export class KeyframeError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KeyframeError";
    this.code = code;
  }
}

/** A malformed RESP value. `message` is what follows `Protocol error: ` in the reply. */
export class ProtocolError extends KeyframeError {
  constructor(message: string) {
    super("protocol", message);
  }
}

/** The limits that a single RESP value can be over, by their option's name. */
export type ValueLimit = "maxBulkBytes" | "maxDepth" | "maxArgs" | "maxLineBytes" | "maxRequestBytes";

/** A well-formed value over one of our limits. `limit` is the option's name. */
export class LimitError extends KeyframeError {
  readonly limit: ValueLimit;
  constructor(limit: ValueLimit, message: string) {
    super("limit", message);
    this.limit = limit;
  }
}

/** A side-channel message or record that cannot be used. Never reaches an app. */
export class FrameError extends KeyframeError {
  constructor(message: string) {
    super("frame", message);
  }
}
