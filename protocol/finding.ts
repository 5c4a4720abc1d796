/**
 * One line of a check, of a node (`agent --check`) or of the cluster (`hawser check`): what was looked at, how it is, and what
 * to do about it.
 */

export type FindingLevel = "ok" | "warning" | "failed";

export interface Finding {
  readonly level: FindingLevel;
  /** What was looked at, e.g. `iptables back end`. */
  readonly subject: string;
  /** How it is. */
  readonly detail: string;
  /** What to do; of every line that is not ok. */
  readonly todo?: string;
}

export function ok(subject: string, detail: string): Finding {
  return { level: "ok", subject, detail };
}

/** It works, but not all that is promised, or not for long. */
export function warning(subject: string, detail: string, todo: string): Finding {
  return { level: "warning", subject, detail, todo };
}

/** It does not work. */
export function failed(subject: string, detail: string, todo: string): Finding {
  return { level: "failed", subject, detail, todo };
}

/** Exit code of a check: 0, or 1 when something has failed. Warnings alone are no failure. */
export function checkExitCode(findings: readonly Finding[]): number {
  return findings.some(({ level }) => level === "failed") ? 1 : 0;
}

/** A line each, levels and subjects aligned, what to do below; then how many of each level. */
export function renderFindings(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ subject }) => subject.length));
  const lines = findings.flatMap(({ level, subject, detail, todo }) => [
    `${level.padEnd(LEVEL_WIDTH)}  ${subject.padEnd(width)}  ${detail}`,
    ...(todo === undefined ? [] : [`${" ".repeat(LEVEL_WIDTH + width + 4)}-> ${todo}`]),
  ]);
  const count = (level: FindingLevel): number => findings.filter((finding) => finding.level === level).length;
  return [...lines, "", `${count("ok")} ok, ${count("warning")} warnings, ${count("failed")} failed`].join("\n");
}

const LEVEL_WIDTH = "warning".length;
