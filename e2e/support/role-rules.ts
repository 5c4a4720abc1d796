/**
 * The rights in daemonset/20-rbac.yaml, one by one (pure): every verb on every resource, and the same Roles without one of
 * them.
 */
import { parseAllDocuments } from "yaml";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface RoleObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly Rule[];
}

/** `name`: `configmaps/hawser watch`, `pods list`; with the Role's kind before it where both have it. */
export interface Right {
  readonly name: string;
  readonly role: RoleObject;
  /** The Role without it. */
  readonly without: RoleObject;
}

export function rolesIn(text: string): readonly RoleObject[] {
  const documents = parseAllDocuments(text) as { toJS(): RoleObject }[];
  return documents.map((document) => document.toJS()).filter(({ rules }) => rules !== undefined);
}

export function rightsOf(role: RoleObject): readonly Right[] {
  const rules = role.rules ?? [];
  return rules.flatMap((rule, index) =>
    rule.resources.flatMap((resource) =>
      rule.verbs.map((verb) => {
        const [only] = rule.resourceNames ?? [];
        const name = `${only === undefined ? resource : `${resource}/${only}`} ${verb}`;
        const fewer = rules.flatMap((one, at) => (at === index ? withoutVerb(one, resource, verb) : [one]));
        return { name, role, without: { ...role, rules: fewer } };
      }),
    ),
  );
}

/** The rule for all other resources, and for this one with the other verbs. */
function withoutVerb(rule: Rule, resource: string, verb: string): readonly Rule[] {
  const rest = { ...rule, resources: rule.resources.filter((one) => one !== resource) };
  const own = { ...rule, resources: [resource], verbs: rule.verbs.filter((one) => one !== verb) };
  return [rest, own].filter(({ resources, verbs }) => resources.length > 0 && verbs.length > 0);
}
