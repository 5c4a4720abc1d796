/** `metadata`, as every document has it: what Hawser reads of Kubernetes' ObjectMeta, and the annotations it reads. */
import { z } from "zod";
import { labelName, labels, subdomainName, time } from "./scalar-schemas.ts";

const WEIGHT = 'a weight from "0" to "1000"';

const KNOWN_ANNOTATIONS = {
  /** Takes a pod into the mesh or out of it, whatever its namespace says. */
  "hawser.dev/mesh": z.enum(["enabled", "disabled"]).optional(),
  /** The pod's share of new connections relative to its siblings; 100 when nothing is said. */
  "hawser.dev/weight": z
    .string({ error: WEIGHT })
    .regex(/^(0|[1-9][0-9]{0,2}|1000)$/, WEIGHT)
    .optional(),
};

/** Other people's annotations are welcome; one that begins with hawser.dev/ and is not ours is a slip. */
const annotations = z
  .object(KNOWN_ANNOTATIONS)
  .catchall(z.string())
  .superRefine(
    (value, context) => {
      const keys = Object.keys(value).filter((key) => key.startsWith("hawser.dev/") && !(key in KNOWN_ANNOTATIONS));
      if (keys.length > 0) context.addIssue({ code: "unrecognized_keys", keys, input: value });
    },
    // Also when another annotation is wrong: everything is said at once.
    { when: ({ value }) => typeof value === "object" && value !== null },
  );

const common = { labels: labels.default({}), annotations: annotations.default({}) };

/** Of a document that belongs to no namespace. */
export const clusterMetadata = z.strictObject({ name: subdomainName, ...common });

/** Of a document that belongs to a namespace. */
export const namespacedMetadata = z.strictObject({
  name: subdomainName,
  namespace: labelName.default("default"),
  ...common,
});

/** Of a pod, which ends gracefully. */
export const podMetadata = namespacedMetadata.extend({
  /** Of two pods with one address, the younger has it: the older one has ended, and its document is not gone yet. */
  creationTimestamp: time.optional(),
  /** Set: the pod is terminating, and drains. */
  deletionTimestamp: time.optional(),
});
