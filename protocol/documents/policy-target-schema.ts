/** What a TrafficPolicy is for: a Service of its namespace, or a route or one named rule of it (GEP-713). */
import { z } from "zod";
import { labelName, subdomainName } from "./scalar-schemas.ts";

const ROUTE_GROUP = "gateway.networking.k8s.io";

export const policyTarget = z
  .strictObject({
    group: z
      .enum(["", ROUTE_GROUP])
      .default("")
      .describe("Of the kind; a Service's is the core group, which has no name."),
    kind: z.enum(["Service", "HTTPRoute", "GRPCRoute"]).describe("Of what it is for."),
    name: subdomainName.describe("Of what it is for."),
    sectionName: subdomainName.optional().describe("Of a route: the name of one of its rules; absent: all of them."),
  })
  .superRefine(({ group, kind, name, sectionName }, context) => {
    const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (kind !== "Service") {
      if (group !== ROUTE_GROUP) wrong("group", `${ROUTE_GROUP}, the group of ${kind}`);
      return;
    }
    if (group !== "") wrong("group", '"", the group of Service');
    if (sectionName !== undefined) wrong("sectionName", "no sectionName for a Service");
    const { error } = labelName.safeParse(name);
    if (error !== undefined) wrong("name", error.issues[0]?.message ?? "the name of a Service");
  });
