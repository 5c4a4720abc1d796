/**
 * Every bound and timer of the HTTP data plane, each with its reason. What hits a bound is counted in
 * `hawser_limit_hits_total{limit="<name>"}` or answered with a status, which `hawser_http_requests_total` counts.
 */
export const httpLimits = {
  /** Start line and fields of one message. Envoy takes 60 KiB, Node 16; large ones are cookies and tokens. */
  headBytes: 64 * 1024,
  /** Of a connection's last head, to see whether it comes again: those of programs are shorter, and of browsers mostly. */
  rememberedHeadBytes: 1024,
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
  /**
   * What a client may send ahead of its turn (pipelining) before it is not read any more. Until then it is read, because
   * only a socket that is read tells when its client is gone.
   */
  pipelinedBytes: 64 * 1024,
  /** Body kept for another try, as Linkerd has it; a longer one is sent once. */
  replayBytes: 64 * 1024,
  /** All interim answers to one request: as much as its head may be; the client of HTTP/2 may not read, and cannot stop them. */
  interimBytes: 64 * 1024,
  /** Rest of a body or of an answer that nobody wants, read so that the connection can go on. */
  discardedBytes: 64 * 1024,
  /** The same of a client that is told to go: closing on unread bytes would destroy the answer on its way. */
  lingerBytes: 1024 * 1024,
  /**
   * Idle connections to one endpoint for one pod: each has carried a request, so bursts were that wide. One that finds no
   * place is closed, and the next request opens another: with 256 busy clients and 128 places a call cost 115 us instead of 40.
   */
  idlePerEndpoint: 1_024,
  /** Idle connections of one worker, about 10 kB each. */
  idleUpstreams: 4_096,
  /**
   * Requests that we reset on one HTTP/2 connection to an endpoint, before others go over a new one. Servers end a connection, with
   * all that is under way on it, for many: nghttp2's (Node, Apache) after 1,000 beyond 33 a second, Envoy when they are half of 500.
   */
  resetsPerUpstream: 200,
  /** Endpoints that a client's connection remembers how to reach; beyond, all are worked out anew. */
  rememberedTargets: 32,
  /** Services whose retries are counted; beyond, the oldest count starts again. */
  retryBudgets: 1_000,
  /** Policies whose answers are timed for hedging; beyond, the oldest is learnt anew. */
  hedgeScopes: 1_000,
  /** Copies under way to one mirror. One that hangs holds them for `mirrorMs`. */
  mirrorsPerBackend: 256,
  /** Body that one copy may be behind its request: some round trips of a mirror's first connect. */
  mirrorBytes: 256 * 1024,
  /**
   * What one of several clients that share an answer may be behind the fastest of them. An answer that is known to be
   * longer is not shared, so that only those without a length can leave anybody behind.
   */
  collapsedBytes: 1024 * 1024,
  /** Answers of one worker that are kept for `fallback.lastGood`, and what they may take together. */
  lastGoodAnswers: 4_096,
  lastGoodBytes: 8 * 1024 * 1024,
  /** One of them: pages and documents, no downloads. */
  lastGoodAnswerBytes: 64 * 1024,
  /** Dialled addresses whose server was seen to speak first, and ports that were told of; beyond, the oldest is forgotten. */
  detectedAddresses: 1_000,
} as const;

export type HttpLimitName = keyof typeof httpLimits;

export const httpTimers = {
  /** From a head's first byte to its last: an honest client sends it at once. */
  slowHeadMs: 10_000,
  /** Between two parts of a request's body, while it is us who wait. nginx has the same. */
  slowBodyMs: 60_000,
  /** A client's connection between two requests: as Envoy, longer than any client keeps one. */
  idleClientMs: 3_600_000,
  /** A client that was told to go gets this long to read the answer. */
  lingerMs: 2_000,
  /** A connection to an endpoint between two requests; less when the server says so (`Keep-Alive: timeout=`). */
  idleUpstreamMs: 60_000,
  /** Before the server's own timeout: its FIN and our next request must not cross. */
  idleMarginMs: 1_000,
  /** Then a new one is used, so that tunnels with an old certificate end. */
  upstreamLifetimeMs: 600_000,
  /** A copy of a request, from its beginning to the end of its answer. */
  mirrorMs: 15_000,
  /** Period at which idle connections to endpoints are looked at. */
  idleSweepMs: 1_000,
  /**
   * For the first byte of a client whose port says nothing of its protocol. Then it may be the server's turn to speak: it waits
   * no longer than that, and the next time not at all.
   */
  firstByteMs: 100,
  /** So long it is remembered that the server speaks first. */
  firstSpeakerMs: 600_000,
} as const;
