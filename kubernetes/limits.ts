/** Bounds and timers of what speaks to an API server, each with its reason. A hit is told to `KubeMetrics.limitHit`. */
export const limits = {
  /** Requests under way to one API server. Lists are the heavy ones, and a controller has eight kinds to list. */
  requestsAtOnce: 8,
  /** Requests that wait for one of these; what comes beyond is refused at once. */
  requestsWaiting: 256,
  /** Watches of one client: eight kinds, twice over while one replaces another. */
  watchesAtOnce: 32,
  /** An answer. A page of 100 pods of 20 kB has 2 MB; whoever lists asks for smaller pages when this is hit. */
  responseBytes: 64 * 1024 * 1024,
  /** A line of a watch. etcd takes objects of 1.5 MiB, and JSON of them is at most some times that. */
  watchLineBytes: 8 * 1024 * 1024,
  /** Tries of one request that the API server puts off (429, Priority and Fairness). */
  tries: 4,
  /**
   * Objects in a page of a list. client-go asks for 500; with 100, ten thousand pods of 20 kB are read as fast, and at the
   * highest the process needs 125 MB instead of 250.
   */
  pageObjects: 100,
  /** Pages of one list; 100 objects in each of these are more than etcd holds. */
  pages: 10_000,
  /** Objects one reflector keeps. Kubernetes is made for 150,000 pods. */
  objects: 500_000,
} as const;

export type KubeLimitName = keyof typeof limits;

export const timers = {
  /** A request with its answer, waiting for its turn included. A page of a busy API server takes seconds. */
  requestMs: 30_000,
  /** Until a watch's first byte: the API server answers the header when its cache is fresh enough, at most 3 s. */
  watchOpenMs: 15_000,
  /** A watch without a byte for this long is dead: with bookmarks there is one every minute. */
  watchSilenceMs: 150_000,
  /** The API server ends a watch after this long, more or less: load spreads anew over its replicas. */
  watchSeconds: 300,
  /** TCP keep-alive of idle connections: finds a host that went away within a minute. */
  keepAliveMs: 15_000,
  /** An idle connection is closed before a load balancer forgets it, which would cost the next request. */
  idleConnectionMs: 45_000,
  /** The most that is waited for a Retry-After. */
  retryAfterMs: 10_000,
  /** How long credentials out of files are taken from memory: kubelet rotates tokens long before they end. */
  credentialsMs: 30_000,
  /** A credential plugin that asks somebody something must come to an end. */
  credentialPluginMs: 60_000,
  /** Between two looks for a resource that is not installed. */
  absentMs: 5_000,
} as const;

/** Between two tries of a list or a watch; an API server that comes back is not to be met by everybody at once. */
export const reflectorBackoff = { baseMs: 200, maxMs: 15_000 } as const;
