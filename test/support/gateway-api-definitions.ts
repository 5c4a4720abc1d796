/**
 * CustomResourceDefinitions of the routes of the Gateway API. When HAWSER_GATEWAY_API_CRDS names a folder of the Gateway API
 * (`config/crd/standard`), they are the real ones; otherwise as much of them as a controller's answer needs: any spec and
 * status is taken.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";

const GROUP = "gateway.networking.k8s.io";

export function gatewayApiDefinitions(): readonly object[] {
  const folder = process.env["HAWSER_GATEWAY_API_CRDS"] ?? "";
  const definition = folder === "" ? permissive : (kind: string): object => real(folder, kind);
  return ["HTTPRoute", "GRPCRoute"].map(definition);
}

function real(folder: string, kind: string): object {
  return parse(readFileSync(path.join(folder, `${GROUP}_${pluralOf(kind)}.yaml`), "utf8")) as object;
}

function permissive(kind: string): object {
  const plural = pluralOf(kind);
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  // The API server wants it for names of its own project.
  const annotations = { "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/891" };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${GROUP}`, annotations },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: "v1", served: true, storage: true, schema, subresources: { status: {} } }],
    },
  };
}

function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}s`;
}
