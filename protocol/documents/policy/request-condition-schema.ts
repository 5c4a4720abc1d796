/** What a request must be for a rule or a fault to be for it, besides what a match of the Gateway API has words for. */
import { z } from "zod";
import { labelName, percentage } from "../scalar-schemas.ts";
import { MAX_CONDITION_VALUES } from "./limits.ts";
import { valueSource } from "./value-source-schemas.ts";

const IDENTITY = "an identity such as spiffe://cluster.local/ns/shop/sa/web";
const CLAIM = "the name of a claim, dots between the levels, with at most 256 characters";
const CLAIM_VALUE = "a text with 1 to 256 characters";
const SEED = "a text with at most 64 characters";
const SOME = "at least one of identities, namespaces, claims and users";

function listOf<S extends z.ZodType>(item: S, things: string) {
  const least = "at least one entry";
  return z.array(item).min(1, least).max(MAX_CONDITION_VALUES, `at most ${MAX_CONDITION_VALUES} ${things}`);
}

const claim = z.strictObject({
  name: z
    .string({ error: CLAIM })
    .regex(/^[^.\s]+(\.[^.\s]+)*$/, CLAIM)
    .max(256, CLAIM)
    .describe("Of the verified token; `realm.roles` is `roles` within `realm`."),
  values: listOf(z.string({ error: CLAIM_VALUE }).min(1, CLAIM_VALUE).max(256, CLAIM_VALUE), "values").describe(
    "The claim is one of these, or a list that has one of them.",
  ),
});

const users = z.strictObject({
  percent: percentage.describe("Share of the users. Raising it keeps those who are in."),
  by: valueSource.describe("What tells users apart. Requests without it are none of them."),
  seed: z
    .string({ error: SEED })
    .max(64, SEED)
    .optional()
    .describe("Another seed chooses other users; absent: `namespace/name` of the document."),
});

export const requestCondition = z
  .strictObject({
    identities: listOf(
      z.string({ error: IDENTITY }).regex(/^spiffe:\/\/[a-z0-9._-]+\/ns\/[a-z0-9-]+\/sa\/[a-z0-9.-]+$/, IDENTITY),
      "identities",
    )
      .optional()
      .describe("The caller has one of these identities."),
    namespaces: listOf(labelName, "namespaces").optional().describe("The caller is in one of these namespaces."),
    claims: listOf(claim, "claims")
      .optional()
      .describe("All of these hold for the caller's verified token (JWT); without one, none does."),
    users: users.optional().describe("A share of users, always the same ones."),
  })
  .superRefine((condition, context) => {
    if (Object.values(condition).some((each) => each !== undefined)) return;
    context.addIssue({ code: "custom", path: [], message: SOME });
  });
