/**
 * Every bound and timer of the HTTP data plane, each with its reason. What hits a bound is counted in
 * `hawser_limit_hits_total{limit="<name>"}` or answered with a status, which `hawser_http_requests_total` counts.
 */
export const httpLimits = {
  /** Start line and fields of one message. Envoy takes 60 KiB, Node 16; large ones are cookies and tokens. */
  headBytes: 64 * 1024,
  /** A start line: RFC 9112 section 3 wants 8,000 bytes at least. */
  startLineBytes: 16 * 1024,
  /** Fields of one message; Envoy takes 100. */
  fields: 128,
  /** A trailer section: checksums and a status, no cookies. */
  trailerBytes: 16 * 1024,
  /** A method: the longest registered one has 17 letters. */
  methodBytes: 32,
  /** Chunk extensions of one body: nobody needs them, and a flood of them is work without content (CVE-2023-39326). */
  chunkExtensionBytes: 4 * 1024,
} as const;
