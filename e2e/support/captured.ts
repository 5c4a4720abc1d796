/** Runs a part of a story while every node's uplink is captured. */
import type { Lab } from "../../lab/lab-client.ts";
import type { WireSummary } from "../../lab/lab-status.ts";

/** What crossed the wire from the beginning of `body` to its end. */
export async function captured(lab: Lab, body: () => Promise<void>): Promise<WireSummary> {
  await lab.call("captureStart", {});
  try {
    await body();
  } catch (error) {
    await lab.call("captureStop", {});
    throw error;
  }
  return await lab.call("captureStop", {});
}
