/**
 * `RequestMatch`: further conditions of a rule of a route in the same namespace, which has it as a filter of type
 * ExtensionRef (`group: hawser.dev, kind: RequestMatch`). All matches of the rule are then for such requests only.
 */
import { z } from "zod";
import { namespacedMetadata } from "./metadata-schema.ts";
import { requestCondition } from "./policy/request-condition-schema.ts";

export const requestMatchDocumentSchema = z.strictObject({
  apiVersion: z.literal("hawser.dev/v1"),
  kind: z.literal("RequestMatch"),
  metadata: namespacedMetadata,
  spec: requestCondition,
});
