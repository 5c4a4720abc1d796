/** Bounds and timers of an agent's certificates, each with its reason. */
export const identityLimits = {
  /** Identities with a pod on one node: Kubernetes' own limit is a few hundred pods per node. */
  identities: 2_048,
  /** Requests under way at once: enough to fill the round trip, few enough not to hold up table messages. */
  concurrentRequests: 8,
  /** The thread that makes requests ends after this long without one: the pods of one rollout come within seconds. */
  requestThreadIdleMs: 2_000,
  /** First retry, and its ceiling: a controller that is away for hours must not meet a storm when it is back. */
  retryBaseMs: 200,
  retryMaxMs: 150_000,
  /** Longest sleep between two looks at the schedule: a suspended machine or a set clock is noticed within a minute. */
  scheduleCheckMs: 60_000,
  /** Renewal when this share of the lifetime is over: half a lifetime is left for a controller outage. */
  renewalShare: 0.5,
  /** Part of `renewalShare` by which the moment is moved at random, so that a node's certificates do not renew at once. */
  renewalJitter: 0.1,
  /** A new certificate is not renewed sooner than after this share of its lifetime, whatever the node's clock says. */
  leastRenewalShare: 0.05,
  /**
   * Another certificate signs now: those of its predecessor are renewed at a random moment this long after. Not sooner, so
   * that all agents trust the new root before anybody shows a certificate of it; spread, so that a large cluster's
   * requests (30,000 at 1,000 nodes) are not one burst.
   */
  reissueDelayMs: 2_000,
  reissueSpreadMs: 20_000,
  /** Below this share of the lifetime a failed renewal is an error, not a warning. */
  loudShare: 0.25,
  /** A key whose pod went away is kept this long: a pod that restarts is served without a new request. */
  unwantedMs: 300_000,
  /** Certificate chains and root bundles are a few kB; anything larger did not come from our controller. */
  pemBytes: 64 * 1024,
  /** A stored bundle: key, chain and roots as JSON. */
  storedBundleBytes: 256 * 1024,
} as const;
