/** 10,000 pods, 1,000 Services and 500 routes as documents of which one at a time changes: for programs that measure without a controller. */
import type { Document } from "../../protocol/documents/document.ts";
import { parseDocuments } from "../../protocol/documents/parse-documents.ts";
import { nodeName, nodeText, podText, serviceName, serviceText } from "./cluster-files.ts";
import { hasRoutePolicy, routePolicyText, routeText, servicePolicyText } from "./route-files.ts";

export interface RoutedCluster {
  documents(): readonly Document[];
  readonly changes: ReadonlyMap<string, ClusterChange>;
}

export interface ClusterChange {
  /** Makes the nth change of it. */
  readonly make: (number: number) => void;
  /** How many entries of the table each makes come, go or be different. */
  readonly entries: number;
}

const SIZE = { nodes: 1_000, pods: 10_000, services: 1_000 };
const ROUTES = 500;
/** Of a node, and of a Service. */
const PODS_EACH = 10;
const ZONE = "topology.kubernetes.io/zone";
/** The Services that have a policy and no route. */
const POLICIES = { first: 600, count: 200 };

const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

export const agentNodes: ReadonlySet<string> = new Set(numbers(SIZE.nodes).map(nodeName));

export function routedCluster(): RoutedCluster {
  const nodes = numbers(SIZE.nodes).map((node) => read(nodeText(node)));
  const services = numbers(SIZE.services).map((service) => read(serviceText(service)));
  const pods = numbers(SIZE.pods).map((pod) => read(podText(SIZE, pod, undefined, false)));
  const routes = numbers(ROUTES).map((route) => read(routeText(route, 10)));
  const withPolicy = numbers(ROUTES).filter(hasRoutePolicy);
  const routePolicies = withPolicy.map((route) => read(routePolicyText(route, 2)));
  const servicePolicies = numbers(POLICIES.count).map((n) => read(servicePolicyText(POLICIES.first + n, 2)));
  /** The nth change, of one document after the other, is to a value that the document has not had. */
  const change = (list: Document[], text: (index: number, value: number) => string): ClusterChange => ({
    make: (number) => {
      const index = number % list.length;
      list[index] = read(text(index, 3 + number));
    },
    entries: 1,
  });
  /** The last of the list goes, or comes back. */
  const toggle = (list: Document[], document: Document | undefined, entries: number): ClusterChange => ({
    make: () => {
      if (list.at(-1) === document) list.pop();
      else if (document !== undefined) list.push(document);
    },
    entries,
  });
  return {
    documents: () => [...nodes, ...services, ...pods, ...routes, ...routePolicies, ...servicePolicies],
    changes: new Map([
      ["one pod", change(pods, (pod, value) => podText(SIZE, pod, value, false))],
      ["one route", change(routes, (route, value) => routeText(route, 10 + value))],
      ["one policy of a route", change(routePolicies, (n, value) => routePolicyText(withPolicy[n] ?? 0, value))],
      ["one policy of a Service", change(servicePolicies, (n, value) => servicePolicyText(POLICIES.first + n, value))],
      [
        "one Service",
        change(services, (service, value) => serviceText(service).replace("8080", `8080, appProtocol: bench-${value}`)),
      ],
      // In front of the ten pods of another one.
      ["a Service comes or goes", toggle(services, read(guestText), 1 + PODS_EACH)],
      ["one Node", change(nodes, (node, value) => nodeText(node).replace(" }", `, labels: { ${ZONE}: z${value} } }`))],
      // Its pods are there all the while, each one endpoint.
      ["a Node comes or goes", toggle(nodes, nodes.at(-1), 1 + 2 * PODS_EACH)],
    ]),
  };
}

const guestText = serviceText(SIZE.services).replace(`app: ${serviceName(SIZE.services)}`, `app: ${serviceName(0)}`);

function read(text: string): Document {
  const { documents, problems } = parseDocuments(text, "bench.yaml");
  const [document] = documents;
  if (document === undefined || problems.length > 0) throw new Error(problems[0]?.message);
  return document;
}
