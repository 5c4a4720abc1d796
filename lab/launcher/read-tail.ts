/** The last lines of a log, for a message about why its writer failed. Empty when there is none. */
import { readFileSync } from "node:fs";

const LINES = 20;

export function readTail(file: string): string {
  try {
    return readFileSync(file, "utf8").trim().split("\n").slice(-LINES).join("\n");
  } catch {
    return "";
  }
}
