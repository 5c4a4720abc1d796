/**
 * Routes, policies and what they refer to, at random, as texts: of a few names, so that they contradict each other, refer to
 * each other, and to what is not there.
 */
import fc from "fast-check";

export interface Attachment {
  /** Who has the same one is replaced. */
  readonly name: string;
  readonly text: string;
}

/** s5 and s6 have an address, s1 is headless, s9 does not exist. */
const serviceName = fc.constantFrom("s5", "s5", "s6", "s1", "s9");
const namespace = fc.constantFrom("shop", "shop", "shop", "team");

/** What is written, without what is undefined. */
function flow(value: object): string {
  return JSON.stringify(value);
}

function document(apiVersion: string, kind: string, metadata: object, spec: object): Attachment {
  const { namespace: of = "", name = "" } = metadata as { namespace?: string; name?: string };
  return { name: `${kind} ${of}/${name}`, text: flow({ apiVersion, kind, metadata, spec }) };
}

const backend = fc.oneof(
  fc.record({
    name: serviceName,
    namespace: fc.constantFrom("shop", undefined),
    port: fc.constantFrom(80, 80, 82),
    weight: fc.constantFrom(0, 1),
  }),
  fc.record({
    group: fc.constant("hawser.dev"),
    kind: fc.constant("Subset"),
    name: fc.constantFrom("sub1", "sub2"),
    port: fc.constant(80),
  }),
);

const filter = fc.oneof(
  fc.record({
    type: fc.constant("RequestMirror"),
    requestMirror: fc.record({ backendRef: fc.record({ name: serviceName, port: fc.constant(80) }) }),
  }),
  fc.record({
    type: fc.constant("ExtensionRef"),
    extensionRef: fc.record({
      group: fc.constant("hawser.dev"),
      kind: fc.constant("RequestMatch"),
      name: fc.constantFrom("m1", "m2"),
    }),
  }),
);

const parentRef = fc.record({
  group: fc.constant(""),
  kind: fc.constant("Service"),
  name: serviceName,
  namespace: fc.constant("shop"),
  port: fc.constantFrom(80, 81, 83, undefined),
});

const route = fc
  .record({
    kind: fc.constantFrom("HTTPRoute", "HTTPRoute", "GRPCRoute"),
    name: fc.constantFrom("r1", "r2", "r3"),
    namespace,
    created: fc.constantFrom(1, 2),
    parentRefs: fc.array(parentRef, { minLength: 1, maxLength: 2 }),
    rules: fc.array(
      fc.record({ name: fc.constantFrom("main", undefined), filters: fc.array(filter, { maxLength: 1 }), backend }),
      { minLength: 1, maxLength: 2 },
    ),
  })
  .map(({ kind, name, namespace: of, created, parentRefs, rules }) => {
    const metadata = { name, namespace: of, creationTimestamp: `2026-01-0${created}T12:00:00Z` };
    const named = new Set<string>();
    const spec = {
      parentRefs: parentRefs.filter((ref, i) => parentRefs.findIndex((each) => each.name === ref.name) === i),
      rules: rules.map(({ name: ofRule, filters, backend: one }) => {
        const isFree = ofRule !== undefined && !named.has(ofRule);
        if (isFree) named.add(ofRule);
        return { ...(isFree ? { name: ofRule } : {}), filters, backendRefs: [one] };
      }),
    };
    return document("gateway.networking.k8s.io/v1", kind, metadata, spec);
  });

const target = fc.oneof(
  fc.record({ kind: fc.constant("Service"), name: fc.constantFrom("s4", "s5", "s5", "s6") }),
  fc.record({
    group: fc.constant("gateway.networking.k8s.io"),
    kind: fc.constantFrom("HTTPRoute", "GRPCRoute"),
    name: fc.constantFrom("r1", "r2"),
    sectionName: fc.constantFrom("main", undefined),
  }),
);

const part = fc.constantFrom<object>(
  {},
  { timeouts: { request: "3s" } },
  { timeouts: { request: "4s" }, retries: { attempts: 3 } },
  { quota: { name: "shared", requests: 10, per: "1s" } },
  { quota: { name: "shared", requests: 20, per: "1s" } },
  { fallback: { on: [503], backend: { name: "s6", port: 80 } } },
  { fallback: { on: [503], backend: { name: "s9", port: 80 } } },
);
/** Only a Service's may say these. */
const ofService = fc.constantFrom<object>(
  { locality: "spread" },
  { protocol: "tcp" },
  { locality: "prefer-local", protocol: "http" },
  { loadBalancer: { algorithm: "hash", hash: { header: "x-user" } } },
);

const policy = fc
  .record({
    name: fc.constantFrom("t1", "t2", "t3"),
    namespace,
    targetRef: target,
    part,
    ofService,
    isOfService: fc.boolean(),
  })
  .map(({ name, namespace: of, targetRef, isOfService, ...parts }) => {
    const spec = { targetRef, ...(isOfService && targetRef.kind === "Service" ? parts.ofService : parts.part) };
    return document("hawser.dev/v1", "TrafficPolicy", { name, namespace: of }, spec);
  });

const subset = fc
  .record({ name: fc.constantFrom("sub1", "sub2"), service: serviceName, version: fc.constantFrom("1", "2") })
  .map(({ name, service, version }) =>
    document("hawser.dev/v1", "Subset", { name, namespace: "shop" }, { service, labels: { version } }),
  );

const requestMatch = fc
  .record({ name: fc.constantFrom("m1", "m2"), from: fc.constantFrom("shop", "team") })
  .map(({ name, from }) =>
    document("hawser.dev/v1", "RequestMatch", { name, namespace: "shop" }, { namespaces: [from] }),
  );

export const attachmentArbitrary: fc.Arbitrary<Attachment> = fc.oneof(
  { weight: 4, arbitrary: route },
  { weight: 3, arbitrary: policy },
  { weight: 1, arbitrary: subset },
  { weight: 1, arbitrary: requestMatch },
);
