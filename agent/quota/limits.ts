/** Bounds of quotas in an agent. What is hit is counted in `hawser_limit_hits_total{limit="<name>"}`. */
export const quotaLimits = {
  /** Quotas that one worker counts; beyond, the one that was asked for least lately begins anew. */
  quotas: 1_000,
  /** Quotas of one report: with names as long as Kubernetes allows, 40 kB. The others go in further ones. */
  quotasPerReport: 128,
} as const;
