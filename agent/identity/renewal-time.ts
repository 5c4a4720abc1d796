/** When a certificate is renewed, by the wall clock (pure). */
import type { CertificateBundle } from "./certificate-bundle.ts";
import { identityLimits as limits } from "./limits.ts";

type Validity = Pick<CertificateBundle, "notBeforeMs" | "notAfterMs">;

/** Half life, give or take a tenth. `jitter`: in [-1, 1]. */
export function renewalMs({ notBeforeMs, notAfterMs }: Validity, jitter: number): number {
  return notBeforeMs + (notAfterMs - notBeforeMs) * limits.renewalShare * (1 + jitter * limits.renewalJitter);
}

/** For a clock that is hours ahead: every new certificate would be past its half life. */
export function leastRenewalMs({ notBeforeMs, notAfterMs }: Validity, nowMs: number): number {
  return nowMs + (notAfterMs - notBeforeMs) * limits.leastRenewalShare;
}

/** What is due later than any rule says was planned by a clock that was ahead, and has been set right since. */
export function latestDueMs(
  entry: { readonly bundle: Validity | undefined; readonly attempt: number },
  nowMs: number,
): number {
  const { bundle, attempt } = entry;
  if (bundle === undefined || attempt > 0) return nowMs + limits.retryMaxMs;
  return Math.max(renewalMs(bundle, 1), leastRenewalMs(bundle, nowMs));
}

/** Share of the lifetime that is left. */
export function lifeLeft({ notBeforeMs, notAfterMs }: Validity, nowMs: number): number {
  return (notAfterMs - nowMs) / (notAfterMs - notBeforeMs);
}
