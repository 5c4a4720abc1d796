/**
 * Workload identities: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` (SPIFFE-ID section 2; the path
 * layout is Istio's).
 */

export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

// Trust domain: SPIFFE-ID 2.1. Segments: Kubernetes names (RFC 1123 labels and subdomains).
const IDENTITY = /^spiffe:\/\/([a-z0-9._-]{1,255})\/ns\/([a-z0-9.-]{1,253})\/sa\/([a-z0-9.-]{1,253})$/;

export function formatIdentity(identity: WorkloadIdentity): string {
  return `spiffe://${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;
}

/** Undefined for anything that is not exactly of that form. */
export function parseIdentity(text: string): WorkloadIdentity | undefined {
  const match = IDENTITY.exec(text);
  if (match === null) return undefined;
  const [, trustDomain = "", namespace = "", serviceAccount = ""] = match;
  return { trustDomain, namespace, serviceAccount };
}
