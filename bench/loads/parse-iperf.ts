/** What iperf3 --json reports at its end: bytes that arrived, over all streams of the direction that was asked for. */
import { HawserError } from "../../core/errors.ts";

export interface IperfResult {
  readonly bytes: number;
  readonly seconds: number;
}

interface IperfReport {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bytes: number; readonly seconds: number } };
}

export function parseIperf(stdout: string): IperfResult {
  const report = parseReport(stdout);
  if (report.error !== undefined) throw new HawserError("no-figures", `iperf3 failed: ${report.error}`);
  const received = report.end?.sum_received;
  if (received === undefined || !(received.seconds > 0)) {
    throw new HawserError("no-figures", `iperf3 reported nothing received: ${stdout.slice(0, 500)}`);
  }
  return { bytes: received.bytes, seconds: received.seconds };
}

function parseReport(stdout: string): IperfReport {
  try {
    return JSON.parse(stdout) as IperfReport;
  } catch (cause) {
    throw new HawserError("no-figures", `iperf3 printed no report: ${stdout.slice(0, 500)}`, { cause });
  }
}
