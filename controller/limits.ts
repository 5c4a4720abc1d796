/** Bounds and timers of the controller, each with its reason. What is hit is counted in `hawser_controller_limit_hits_total`. */
export const limits = {
  // Documents. Size and depth of one file's text are bounded in protocol/documents/limits.ts.
  /** Files in the documents directory: one per pod of a large cluster. */
  documentFiles: 50_000,
  /** Bytes of all documents: about 400,000 pods. */
  documentsBytes: 256 * 1024 * 1024,
  /** Problems logged for one refused state, or for one change of what is wrong; the rest is told as a number. */
  loggedProblems: 100,

  // The channel
  /** Largest message taken from an agent: a request with a P-256 key is 1 kB, a report a few. */
  agentMessageBytes: 64 * 1024,
  /** TCP connections, with and without an agent behind them: two per node of the largest Kubernetes cluster. */
  connections: 10_000,
  /** Channels of one node: two agents during an upgrade, and what a lost connection leaves behind. */
  sessionsPerNode: 4,
  /** Bytes queued for one agent before it is only told the newest state once it has caught up. */
  sessionBufferedBytes: 4 * 1024 * 1024,
  /** Messages an agent may send at once, and every second: 8 certificate requests under way are the most it has to say. */
  messageBurst: 2_000,
  messagesPerSecond: 500,
  /** A bearer token: projected tokens have about 1 KB, more with many long names. Headers as a whole may have 8 KiB. */
  tokenBytes: 6 * 1024,
  /**
   * Tokens that the API server judges at once (500 a second, measured on two cores; the client has 8 requests at once, and
   * the Lease must not wait), and connections that wait for their turn: all agents of a large cluster.
   */
  tokenReviews: 4,
  tokenReviewsWaiting: 5_000,
  /** Tokens that were found good a moment ago. */
  knownTokens: 10_000,
  /** Log lines about strangers without a token, at once and every second; the counter has them all. */
  strangerLogBurst: 20,
  strangerLogsPerSecond: 1,
  /** Certificate requests of one agent that are being signed. An agent has 8 under way. */
  signingPerSession: 32,
  /** A PKCS#10 request with a P-256 key and one name has about 400 bytes. */
  certificateRequestBytes: 8 * 1024,
  /** Connections of other replicas: as many as there may be during a rollout. */
  replicas: 16,
  /** Bytes queued for another replica: what it does not read soon is worth nothing. */
  replicaBufferedBytes: 4 * 1024 * 1024,
  /** Changes kept for agents that reconnect; one that missed more gets a snapshot. */
  historyChanges: 4_096,
  historyBytes: 32 * 1024 * 1024,

  // Admin
  /** Stragglers and agents listed in /status. */
  listedAgents: 10_000,
  /** Samples of change-to-applied time behind p50 and p99. */
  convergenceSamples: 2_048,
} as const;

export type LimitName = keyof typeof limits;

export const timers = {
  /** A file is read when nobody has written to it for this long: half-written text is not judged. */
  settleMs: 50,
  /** Changes that follow each other without a pause are read together, this much of them at a time. */
  longestBatchMs: 100,
  /** A file that is written to all the time is judged in the end. */
  longestSettleMs: 1_000,
  /** A file that lost all its text is probably about to be written: it counts as empty only after this long. */
  emptiedFileMs: 1_000,
  /** Look for changes that inotify did not tell: network file systems, a replaced directory. */
  rescanMs: 2_000,
  /** TLS handshake and HTTP upgrade of a connection that has not shown a token yet. */
  handshakeMs: 5_000,
  /** From an agent's token to the word on it, time in the queue included: an agent gives up its dial after 5 s. */
  authenticationMs: 4_000,
  /** A good token is taken again without asking: agents that redial after a hiccup. A deleted pod's is void after this. */
  knownTokenMs: 10_000,
  /** At most this long until a channel's token is looked at again: also after its expiry, while nobody can judge it. */
  tokenStepMs: 60_000,
  /** Upgrade to hello. */
  helloMs: 5_000,
  /**
   * An agent that has another replica's table gets ours after this: a watch that is behind the other's by less never takes
   * an agent back in time. Once per change of replica, and it has a table meanwhile.
   */
  handoverMs: 1_000,
  /** WebSocket ping, and silence after which an agent counts as gone. */
  pingMs: 5_000,
  silenceMs: 20_000,
  /** Time for orderly closes on SIGTERM. */
  closeMs: 2_000,
  /** Changes within this time reach the table file in one write. */
  saveDelayMs: 500,
  /** The same for a table that takes long to write: after a crash within this time, agents take a snapshot. */
  longestSaveDelayMs: 5_000,
  /** Pause after a table that was much work to make and to send; the work is a small part of the time all the same. */
  longestBuildPauseMs: 250,
  /** The controller's own certificate, made anew at every start; and how often its age is looked at. */
  serverCertificateMs: 30 * 24 * 3_600_000,
  serverCertificateCheckMs: 3_600_000,
  /** A root lives 10 years: replacing it is work on every node. */
  rootLifetimeMs: 10 * 365 * 24 * 3_600_000,
  /** Certificates begin this much in the past (at most a tenth of their life), for nodes whose clocks are behind. */
  backdateMs: 120_000,
  /** How often the files of the authority are looked at: they change a few times in a decade. */
  authorityCheckMs: 1_000,

  // Kubernetes
  /** An authority that could not be created is tried again after this. */
  authorityRetryMs: 2_000,
  /** What others may have changed or removed (the roots for agents) is looked at this often. */
  repairMs: 30_000,
  /** Lease: as client-go's defaults, which every operator knows. Who was not renewed for `leaseMs` may be replaced. */
  leaseMs: 15_000,
  /** A leader that could not renew for this long is none any more: well before another one may begin. */
  leaseRenewMs: 10_000,
  leaseRetryMs: 2_000,
  /** Longest request for the Lease at an orderly stop: then it ends by itself. */
  leaseReleaseMs: 1_000,
  /** Redial waits to the leader: reports that nobody reads are what agents wait for, 2 s at most. */
  replicaRedialMs: 200,
  longestReplicaRedialMs: 2_000,
  /** How often the leader looks for nodes with a taint to remove, and for agents of nodes that are gone. */
  nodeCareMs: 1_000,
  /** An agent's mark for a node that the leader has never seen: its own watch may be behind. */
  unknownNodeMs: 60_000,
  /** Pause between tries to bind the admin port. */
  adminRetryMs: 1_000,
} as const;
