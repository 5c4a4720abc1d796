/** Bounds and timers of an agent's channel to the controller, each with its reason. */
export const controlLimits = {
  /** Largest message taken from a controller: a snapshot of 100,000 pods is about 40 MB. */
  messageBytes: 128 * 1024 * 1024,
  /** Bytes waiting to be sent; an agent says little, so this means that the controller has stopped reading. */
  sendBufferBytes: 1024 * 1024,
  /** Table messages waiting for the agent to apply earlier ones; beyond, the channel is dialled anew and catches up. */
  waitingTableMessages: 1_024,
  /** Certificate requests without an answer yet: many times what the certificate manager has under way. */
  pendingSignRequests: 64,
  /** TCP connect, TLS and WebSocket handshakes together. */
  dialMs: 5_000,
  /** A controller signs in milliseconds. */
  signMs: 10_000,
  /** Redial waits: short enough for a replica that restarts, spread enough for thousands of agents. */
  redialBaseMs: 200,
  redialMaxMs: 5_000,
  /** A channel that lived this long has proven itself: the next redial starts from the shortest wait again. */
  provenMs: 5_000,
  /** WebSocket ping, and the silence after which the channel is dead. */
  pingMs: 5_000,
  silenceMs: 15_000,
  /** Time for an orderly close before the connection is cut. */
  closeMs: 1_000,
  /**
   * Without a channel for this long the table counts as old, for probes only: traffic goes on by it. A controller that is
   * rolled, or whose node is lost, is back sooner.
   */
  staleTableMs: 60_000,
  /** A table on disk is read whole. */
  storedTableBytes: 256 * 1024 * 1024,
  /** Changes within this time are written together: pods come and go in bursts. */
  saveDelayMs: 500,
  /** A table that could not be written is tried again after this: a disk is full for minutes. */
  saveRetryMs: 60_000,
} as const;
