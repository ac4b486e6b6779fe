/** Bounds on one RESP value, checked at the length header, before anything is allocated. */
export interface RespLimits {
  /** Largest bulk string, bytes. */
  maxBulkBytes: number;
  /** Deepest nesting of aggregates in a reply. */
  maxDepth: number;
  /** Most arguments of a request, and most elements of one aggregate in a reply. */
  maxArgs: number;
  /** Longest line (inline request, simple string, error, length header), bytes. */
  maxLineBytes: number;
}

export const defaultRespLimits: RespLimits = {
  maxBulkBytes: 64 * 1024 * 1024,
  maxDepth: 32,
  maxArgs: 1_048_576,
  maxLineBytes: 64 * 1024,
};
