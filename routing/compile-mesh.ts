/** The Mesh document -> the mesh's settings, defaults filled in. */
import type { MeshDocument } from "../protocol/documents/document.ts";
import type { EjectionSettings, MeshSettings } from "../protocol/table.ts";
import { normalizeCidr } from "./address.ts";
import { type CompileProblems, placeOfDocument } from "./compile-problems.ts";
import { MESH_DEFAULTS } from "./mesh-defaults.ts";

/** A policy's has more, which is no matter of connects. */
type EjectionPart = MeshDocument["spec"]["ejection"];

/** What holds besides what the document says. */
export interface MeshSurroundings {
  /** When the document names none. */
  readonly trustDomain?: string;
  /** Excluded besides those that the document names. */
  readonly excludedNamespaces?: readonly string[];
}

export function compileMesh(
  documents: readonly MeshDocument[],
  { trustDomain, excludedNamespaces = [] }: MeshSurroundings,
  problems: CompileProblems,
): MeshSettings {
  const [first, ...others] = documents;
  for (const other of others) {
    const found = `${other.metadata.name} besides ${first?.metadata.name}`;
    const message = `a second Mesh document, the first is in ${first === undefined ? "" : placeOfDocument(first)}`;
    problems.add(other, { code: "duplicate-document", path: [], found, expected: "one Mesh document", message });
  }
  const spec = first?.spec ?? {};
  return {
    trustDomain: spec.trustDomain ?? trustDomain ?? MESH_DEFAULTS.trustDomain,
    encryption: spec.encryption ?? MESH_DEFAULTS.encryption,
    locality: spec.locality ?? MESH_DEFAULTS.locality,
    loadBalancer: spec.loadBalancer?.algorithm ?? MESH_DEFAULTS.loadBalancer,
    ejection: mergeEjection(MESH_DEFAULTS.ejection, spec.ejection),
    exclude: {
      ports: sortedUnique(spec.exclude?.ports ?? [], (a, b) => a - b),
      cidrs: sortedUnique((spec.exclude?.cidrs ?? []).map((cidr) => normalizeCidr(cidr) ?? cidr)),
      namespaces: sortedUnique([...excludedNamespaces, ...(spec.exclude?.namespaces ?? [])]),
    },
  };
}

/** `part` on top of `base`. A first ejection that is longer than the longest makes the longest as long. */
export function mergeEjection(base: EjectionSettings, part: EjectionPart): EjectionSettings {
  const baseEjectionMs = part?.baseEjection ?? base.baseEjectionMs;
  return {
    consecutiveFailures: part?.consecutiveFailures ?? base.consecutiveFailures,
    baseEjectionMs,
    maxEjectionMs: Math.max(part?.maxEjection ?? base.maxEjectionMs, baseEjectionMs),
    maxEjectionPercent: part?.maxEjectionPercent ?? base.maxEjectionPercent,
  };
}

function sortedUnique<T>(values: readonly T[], compare?: (a: T, b: T) => number): readonly T[] {
  return [...new Set(values)].sort(compare);
}
