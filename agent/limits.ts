/**
 * Every bound and timer of the data plane, each with its reason. Whatever hits a bound is counted in
 * `hawser_limit_hits_total{limit="<name>"}`.
 */
export const limits = {
  /** Connections of one data worker, all directions: about 20 kB each, so 1 GB at the worst. */
  connectionsPerWorker: 50_000,
  /** Outbound connections of one source pod in one worker: one runaway pod must not use up the node. */
  connectionsPerSourcePod: 10_000,
  /** Inbound TLS handshakes under way in one worker: a handshake holds about 60 kB until it ends. */
  pendingHandshakes: 1_024,
  /** Inbound TLS handshakes under way from one address: an agent needs one per tunnel, an attacker thousands. */
  pendingHandshakesPerAddress: 128,
  /** Inbound tunnels of one peer address: (identities of a node) x (our pods) x lanes stays far below. */
  tunnelsPerPeer: 4_096,
  /** Streams one tunnel may carry at once; advertised as SETTINGS_MAX_CONCURRENT_STREAMS. */
  streamsPerTunnel: 1_000,
  /** Tunnels per (source identity, destination pod): 16 x 1,000 streams. */
  lanesPerKey: 16,
  /** Lanes opened because the others are busy (not full): beyond four, the cores are the limit. */
  busyLanesPerKey: 4,
  /** Connections that wait for one tunnel to be dialled. */
  waitingPerKey: 4_096,
  /** Bytes kept for a replay on another endpoint until the answer to CONNECT has come. */
  earlyDataBytes: 64 * 1024,
  /**
   * Receive window of one stream: what one reader that stopped can make us hold. 2 MiB covers 16 Gbit/s at 1 ms; less also
   * costs CPU in bulk, because sender and receiver then wait for each other in small steps.
   */
  streamWindowBytes: 2 * 1024 * 1024,
  /** Receive window of one tunnel (SETTINGS do not cover it): 8 streams at full window. */
  tunnelWindowBytes: 16 * 1024 * 1024,
  /** Bytes that stalled readers may make one worker hold; beyond, the largest holder is reset. */
  stalledBytesPerWorker: 256 * 1024 * 1024,
  /**
   * Handed to a pod's socket and not yet taken by the kernel, before the stream is paused. More than Node's own mark, 64 KiB:
   * only beyond that a socket tells of room.
   */
  socketBufferBytes: 256 * 1024,
  /** Written to a tunnel's stream and not yet sent, before the pod's socket is paused. */
  streamBufferBytes: 256 * 1024,
  /** Endpoints tried for one connection while nothing was delivered: the first, then two others. */
  connectAttempts: 3,
  /** TLS sessions kept for resumption in one worker: 4 kB each. */
  tlsSessions: 4_096,
  /** node:http2's own bound on a session's bookkeeping, in MB: its default of 10 refuses streams under load. */
  sessionMemoryMb: 256,
  /** Streams reset by one peer in a burst before node:http2 ends the session (rapid reset, CVE-2023-44487). */
  streamResetBurst: 10_000,
  /** Sustained resets per second and tunnel: pods that end every call with RST are legal. */
  streamResetsPerSecond: 2_000,
} as const;

export type LimitName = keyof typeof limits;

export const timers = {
  /** SYN to SYN-ACK, towards a pod or another node: five SYN retransmissions would take 63 s. */
  tcpConnectMs: 5_000,
  /** A SYN towards another agent that was not answered is repeated after this (see tcp-dial.ts). */
  synPatienceMs: 200,
  /** TLS handshake, either side. */
  tlsHandshakeMs: 5_000,
  /** CONNECT to its answer: the peer's own tcpConnectMs plus a round trip. */
  connectAnswerMs: 8_000,
  /** A connection without a byte in either direction. Long, because databases keep connections for days. */
  idleConnectionMs: 24 * 3_600_000,
  /** The same once one side has ended. */
  halfClosedMs: 3_600_000,
  /**
   * TCP keep-alive towards pods: finds dead peers long before the idle timer, and keeps conntrack from forgetting the
   * connection, which it does after 60 s without a packet once one side has ended (nf_conntrack_tcp_timeout_close_wait).
   */
  keepAliveMs: 30_000,
  /** PING on every tunnel. */
  pingMs: 10_000,
  /** Silence after a PING that means the tunnel is dead. */
  pingTimeoutMs: 20_000,
  /** A tunnel without streams. */
  idleTunnelMs: 300_000,
  /** Period of the sweep that enforces idle timers and the stalled-bytes bound. */
  sweepMs: 1_000,
  /** After the rules stopped pointing to an agent that leaves, what is in its accept queues is still taken. */
  lingerMs: 500,
  /** A data worker that died is replaced after this: long enough not to spin, short enough not to be noticed. */
  workerRestartMs: 200,
  /** How long a stream or tunnel of a peer that the table does not know yet may wait for the table to learn of it. */
  tableGraceMs: 2_000,
  /** Period at which it is looked up again. */
  tableRecheckMs: 50,
  /** Refusals for a limit are logged at most this often. */
  limitLogMs: 1_000,
  /** A failed dial of a tunnel is not tried again sooner for the same key. */
  redialMs: 100,
} as const;
