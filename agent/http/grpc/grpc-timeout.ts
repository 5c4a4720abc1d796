/** `grpc-timeout`: for how long a gRPC client waits (gRPC over HTTP/2, section Requests): up to 8 digits and a unit. */
const TIMEOUT = /^([0-9]{1,8})([HMSmun])$/;
const MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
/** 24 days: a timer that is set for longer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_VALUE = 99_999_999;
const MS_PER_SECOND = 1_000;

/** In milliseconds; undefined: the client waits without end or nearly so, or says nothing that one could understand. */
export function readGrpcTimeout(text: string | undefined): number | undefined {
  const match = text === undefined ? null : TIMEOUT.exec(text);
  if (match === null) return undefined;
  const [, value, unit = ""] = match;
  const ms = Number(value) * (MS[unit] as number);
  return ms <= MAX_TIMER_MS ? ms : undefined;
}

/** Never more than what is left. */
export function writeGrpcTimeout(leftMs: number): string {
  const ms = Math.max(0, Math.floor(leftMs));
  return ms <= MAX_VALUE ? `${ms}m` : `${Math.floor(ms / MS_PER_SECOND)}S`;
}
