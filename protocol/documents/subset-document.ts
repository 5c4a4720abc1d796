/**
 * `Subset`: the endpoints of a Service whose pods have all of some labels, such as those of one version. Routes have it as
 * a backend (`group: hawser.dev, kind: Subset`), with the Service's port.
 */
import { z } from "zod";
import { namespacedMetadata } from "./metadata-schema.ts";
import { labelName, labels } from "./scalar-schemas.ts";

const SOME_LABEL = "at least one label";

export const subsetDocumentSchema = z.strictObject({
  apiVersion: z.literal("hawser.dev/v1"),
  kind: z.literal("Subset"),
  metadata: namespacedMetadata,
  spec: z.strictObject({
    service: labelName.describe("Name of the Service, in the same namespace."),
    labels: labels
      .refine((each) => Object.keys(each).length > 0, SOME_LABEL)
      .describe("Of the endpoints' pods, all of these. An endpoint that is no pod is in no subset."),
  }),
});
