/**
 * Counts the results in a TAP stream and says what a person should see of it (pure): a line per test, and what ava
 * explains below a failure. ava's own totals are left out, ours come at the end.
 */
export interface TapCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const RESULT = /^(ok|not ok) \d+ - (.*?)(?: # (SKIP|TODO).*)?$/;
const TOTALS = /^(?:TAP version|1\.\.|# (?:tests|pass|skip|fail)|$)/;

export class TapCounter {
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  get counts(): TapCounts {
    return { passed: this.#passed, failed: this.#failed, skipped: this.#skipped };
  }

  /** The text to show for this line of TAP; undefined: nothing. */
  line(text: string): string | undefined {
    const result = RESULT.exec(text);
    if (result !== null) return this.#result(result[1] === "ok", result[2] ?? "", result[3]);
    return TOTALS.test(text) ? undefined : text;
  }

  #result(ok: boolean, title: string, directive: string | undefined): string {
    if (directive !== undefined) {
      this.#skipped += 1;
      return `- ${title} (${directive === "TODO" ? "to do" : "SKIPPED"})`;
    }
    if (ok) this.#passed += 1;
    else this.#failed += 1;
    return `${ok ? "✔" : "✘"} ${title}`;
  }
}

/** `12 passed, 0 failed`, and `, 3 skipped` when there are any. */
export function formatCounts({ passed, failed, skipped }: TapCounts): string {
  const text = `${passed} passed, ${failed} failed`;
  return skipped === 0 ? text : `${text}, ${skipped} skipped`;
}

export function addCounts(left: TapCounts, right: TapCounts): TapCounts {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}
