/**
 * Text of one WebSocket frame -> a message of an agent, checked. An agent has proved which node it is, nothing more: what
 * it sends is bounded and taken field by field.
 */
import { z } from "zod";
import { HawserError } from "../core/errors.ts";
import type { AgentMessage } from "../protocol/channel.ts";
import { limits } from "./limits.ts";

export class InvalidMessageError extends HawserError<"invalid-message"> {}

const shortText = z.string().max(256);
const epoch = shortText;
const sequence = z.int().nonnegative();
/** Counters of one report: every name is a constant of the agent. */
const MAX_COUNTERS = 256;
const MAX_PROBLEMS = 16;
const MAX_ENCODINGS = 8;
/** Quotas of one report: an agent sends 128, and the rest with the next. */
const MAX_QUOTAS = 256;
/** `namespace/name` of the policy, where it has no other name. */
const quotaName = z.string().min(1).max(512);
/** Requests, or a share of them. */
const amount = z.number().nonnegative().max(1e12);

export const quotaReport = z.object({
  kind: z.literal("quota-report"),
  sequence,
  quotas: z
    .array(
      z.object({
        name: quotaName,
        overMs: amount,
        wanted: amount,
        admitted: amount,
        unused: amount,
        lease: sequence,
        share: amount,
        idle: z.boolean().exactOptional(),
      }),
    )
    .max(MAX_QUOTAS),
});

const SCHEMAS = {
  hello: z.object({
    kind: z.literal("hello"),
    node: shortText,
    version: shortText,
    instance: shortText.min(1),
    have: z.object({ epoch, sequence }).exactOptional(),
    encodings: z.array(shortText).max(MAX_ENCODINGS).exactOptional(),
  }),
  applied: z.object({ kind: z.literal("applied"), epoch, sequence }),
  refused: z.object({
    kind: z.literal("refused"),
    epoch,
    sequence,
    problems: z.array(z.string().max(4_096)).max(MAX_PROBLEMS),
  }),
  sign: z.object({
    kind: z.literal("sign"),
    requestId: z.int().nonnegative(),
    csr: z.string().max(limits.certificateRequestBytes),
  }),
  report: z.object({
    kind: z.literal("report"),
    ready: z.boolean(),
    counters: z
      .record(shortText, z.number())
      .refine((counters) => Object.keys(counters).length <= MAX_COUNTERS, "too many counters"),
  }),
  "quota-report": quotaReport,
  goodbye: z.object({ kind: z.literal("goodbye"), removed: z.boolean() }),
  ping: z.object({ kind: z.literal("ping") }),
} satisfies { readonly [Kind in AgentMessage["kind"]]: z.ZodType<Extract<AgentMessage, { kind: Kind }>> };

const envelope = z.looseObject({ kind: z.string() });

/** Undefined: a kind that this version does not know. Throws InvalidMessageError. */
export function parseAgentMessage(text: string): AgentMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidMessageError("invalid-message", "Message is not JSON", { cause });
  }
  const kind = envelope.safeParse(value).data?.kind;
  if (kind === undefined) throw new InvalidMessageError("invalid-message", "Message has no kind");
  if (!Object.hasOwn(SCHEMAS, kind)) return undefined;
  const schema: z.ZodType<AgentMessage> = SCHEMAS[kind as keyof typeof SCHEMAS];
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new InvalidMessageError("invalid-message", `Message ${kind}: ${issue?.path.join(".")} ${issue?.message}`);
}
