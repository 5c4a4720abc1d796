/**
 * What replicas of the controller tell each other: one that does not lead brings the reports of its agents to the one that
 * does. One JSON object per text frame of a WebSocket, on the port of the agents; the token is one that only holders of
 * the authority's key can make.
 */
import { z } from "zod";
import { HawserError } from "../../core/errors.ts";
import type { QuotaLeaseMessage, QuotaReportMessage } from "../../protocol/channel.ts";
import { quotaReport } from "../parse-agent-message.ts";
import type { QuotaAgent } from "./quota-leases.ts";

export const REPLICA_PATH = "/v1/replica";

export class ReplicaMessageError extends HawserError<"invalid-message"> {}

/** From the one that does not lead. */
export type GuestMessage =
  | { readonly kind: "report"; readonly agent: QuotaAgent; readonly message: QuotaReportMessage }
  | { readonly kind: "left"; readonly agent: QuotaAgent };

/** From the leader. */
export interface LeaderMessage {
  readonly kind: "lease";
  readonly agent: QuotaAgent;
  readonly message: QuotaLeaseMessage;
}

const name = z.string().min(1).max(256);
const agent = z.object({ node: name, instance: name });
const amount = z.number().nonnegative();

const guestMessage: z.ZodType<GuestMessage> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("report"), agent, message: quotaReport }),
  z.object({ kind: z.literal("left"), agent }),
]);

const leaderMessage: z.ZodType<LeaderMessage> = z.object({
  kind: z.literal("lease"),
  agent,
  message: z.object({
    kind: z.literal("quota-lease"),
    report: amount,
    validMs: amount,
    leases: z.array(z.object({ name: z.string(), id: amount, share: amount, credit: amount })),
  }),
});

export function parseGuestMessage(text: string): GuestMessage {
  return parse(text, guestMessage);
}

export function parseLeaderMessage(text: string): LeaderMessage {
  return parse(text, leaderMessage);
}

function parse<T>(text: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const message = "Message of another replica is not what this version expects; are both of one version?";
    throw new ReplicaMessageError("invalid-message", message, { cause });
  }
}
