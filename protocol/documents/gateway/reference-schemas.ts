/**
 * How documents of the Gateway API (gateway.networking.k8s.io) point at other objects: parents, backends and grants.
 * The checks are those of the upstream custom resource definitions.
 */
import { z } from "zod";
import { labelName, portNumber, subdomainName } from "../scalar-schemas.ts";

export const GATEWAY_GROUP = "gateway.networking.k8s.io";

const GROUP = 'an API group such as gateway.networking.k8s.io, or "" for the core group';
const KIND = "a kind such as Service";
const NAME = "a name with 1 to 253 characters";
const WEIGHT = "a weight from 0 to 1000000";

export const apiGroup = z
  .string({ error: GROUP })
  .regex(/^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, GROUP)
  .max(253, GROUP);
export const apiKind = z
  .string({ error: KIND })
  .regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/, KIND)
  .max(63, KIND);
export const objectName = z.string({ error: NAME }).min(1, NAME).max(253, NAME);
/** Of a rule of a route or a port of a Service. */
export const sectionName = subdomainName;

const parentRef = z
  .strictObject({
    group: apiGroup.default(GATEWAY_GROUP),
    kind: apiKind.default("Gateway"),
    namespace: labelName.optional(),
    name: objectName,
    /** Of a Service: the name of a port. */
    sectionName: sectionName.optional(),
    port: portNumber.optional(),
  })
  .superRefine(({ group, kind }, context) => {
    // The default group is Gateway's: a route written so is attached to nothing, and nobody says so.
    if (kind !== "Service" || group === "") return;
    context.addIssue({ code: "custom", path: ["group"], message: '"" as the group of a Service' });
  });

type ParentRef = z.output<typeof parentRef>;

const PARENT_TWICE = "a parent that differs in sectionName or port from every other reference to the same object";
const PARENT_SECTIONS = "sectionName and port set alike in all references to the same object";

/** References to one object are told apart by sectionName and port, which all of them set, or none. */
export const parentRefs = z
  .array(parentRef)
  .max(32, "at most 32 parents")
  .superRefine((refs, context) => {
    for (const [index, ref] of refs.entries()) {
      const earlier = refs.slice(0, index).filter((other) => objectOf(other) === objectOf(ref));
      const wrong = (message: string) => context.addIssue({ code: "custom", path: [index], message });
      if (earlier.some((other) => other.sectionName === ref.sectionName && other.port === ref.port)) {
        wrong(PARENT_TWICE);
      } else if (earlier.some((other) => sectionsOf(other) !== sectionsOf(ref))) wrong(PARENT_SECTIONS);
    }
  });

function objectOf({ group, kind, namespace, name }: ParentRef): string {
  return [group, kind, namespace ?? "", name].join("|");
}

function sectionsOf({ sectionName: section, port }: ParentRef): string {
  return `${section !== undefined} ${port !== undefined}`;
}

const backendFields = {
  group: apiGroup.default(""),
  kind: apiKind.default("Service"),
  /** The route's own when absent. */
  namespace: labelName.optional(),
  name: objectName,
  /** The Service's port, not the pods'. */
  port: portNumber.optional(),
};

/** Behind which a Service is. */
const PORT_KINDS: ReadonlySet<string> = new Set(["/Service", "hawser.dev/Subset"]);
const PORT_WANTED = "the port of the Service";

/** What is mirrored to. */
export const backendObject = withPort(z.strictObject(backendFields));

/** What requests are forwarded to; `filter` is what the kind of route allows. */
export function backendRefs<F extends z.ZodType>(filters: F) {
  const weight = z.int({ error: WEIGHT }).min(0, WEIGHT).max(1_000_000, WEIGHT).default(1);
  const backend = withPort(z.strictObject({ ...backendFields, weight, filters: filters.optional() }));
  return z.array(backend).max(16, "at most 16 backends");
}

function withPort<S extends z.ZodType<{ group: string; kind: string; port?: number | undefined }>>(schema: S): S {
  return schema.superRefine((value, context) => {
    const { group, kind, port } = value;
    if (port !== undefined || !PORT_KINDS.has(`${group}/${kind}`)) return;
    context.addIssue({ code: "custom", path: ["port"], message: PORT_WANTED });
  });
}
