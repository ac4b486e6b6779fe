/** All fuzz targets by name. Each is a file of its own under targets/, as the fuzzer wants it. */
import type { Target } from "./input.js";
import { fuzz as frameChunk } from "./targets/frame-chunk.js";
import { fuzz as frameControl } from "./targets/frame-control.js";
import { fuzz as frameHunks } from "./targets/frame-hunks.js";
import { fuzz as frameMessage } from "./targets/frame-message.js";
import { fuzz as frameWhole } from "./targets/frame-whole.js";
import { fuzz as nodeMsgpack } from "./targets/node-msgpack.js";
import { fuzz as pythonJson } from "./targets/python-json.js";
import { fuzz as pythonPickle } from "./targets/python-pickle.js";
import { fuzz as replyDecoder } from "./targets/reply-decoder.js";
import { fuzz as replyScanner } from "./targets/reply-scanner.js";
import { fuzz as respRequest } from "./targets/resp-request.js";
import { fuzz as sideBytes } from "./targets/side-bytes.js";
import { fuzz as sideChunks } from "./targets/side-chunks.js";
import { fuzz as sideProgram } from "./targets/side-program.js";

export const targets = {
  "resp-request": respRequest,
  "reply-scanner": replyScanner,
  "reply-decoder": replyDecoder,
  "frame-message": frameMessage,
  "frame-control": frameControl,
  "frame-chunk": frameChunk,
  "frame-hunks": frameHunks,
  "frame-whole": frameWhole,
  "python-json": pythonJson,
  "python-pickle": pythonPickle,
  "node-msgpack": nodeMsgpack,
  "side-bytes": sideBytes,
  "side-chunks": sideChunks,
  "side-program": sideProgram,
} satisfies Record<string, Target>;
