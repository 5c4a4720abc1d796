/**
 * The controller has the rights that it needs, and no other: with all of them it does each of its duties, and each right is
 * taken away in turn, which must cost a duty. A right that is not in the table below fails, too.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import type { Lab } from "../../../lab/lab-client.ts";
import { CONTROLLER_DUTIES, restartControllers } from "../../support/controller-duties.ts";
import type { ControllerDuty } from "../../support/controller-duties.ts";
import { kubectl } from "../../support/kubectl.ts";
import { kubernetesStories } from "../../support/kubernetes-stories.ts";
import { MANIFESTS, meshConverged } from "../../support/mesh-pods.ts";
import { rightsOf, rolesIn } from "../../support/role-rules.ts";
import type { RoleObject } from "../../support/role-rules.ts";
import { webCluster } from "../../support/web-cluster.ts";

/** Right -> the duty that cannot be done without it. */
const NEEDED: Readonly<Record<string, ControllerDuty>> = {
  "nodes list": "becomes ready",
  "namespaces list": "becomes ready",
  "pods list": "becomes ready",
  "services list": "becomes ready",
  "endpointslices list": "becomes ready",
  "configmaps/hawser list": "becomes ready",
  "configmaps/hawser-agents list": "becomes ready",
  "configmaps/hawser-last-good get": "stores good settings",
  "secrets/hawser-ca list": "becomes ready",
  // Who may not list is told so, also where the Gateway API is not installed.
  "httproutes list": "becomes ready",
  "grpcroutes list": "becomes ready",
  "nodes watch": "takes taints from nodes",
  "nodes get": "takes taints from nodes",
  "nodes patch": "takes taints from nodes",
  "namespaces watch": "sees namespaces change",
  "pods watch": "sees pods come",
  "services watch": "sees Services come",
  "endpointslices watch": "sees endpoints come",
  "configmaps/hawser watch": "sees edits of its settings",
  "configmaps/hawser-last-good update": "stores good settings",
  "configmaps/hawser-ca-root get": "publishes the roots",
  "configmaps/hawser-ca-root patch": "publishes the roots",
  "configmaps/hawser-agents watch": "sees what others remember",
  "configmaps/hawser-agents patch": "remembers agents",
  "configmaps create": "makes the ConfigMap of the roots",
  "secrets/hawser-ca watch": "sees a change of the authority",
  "tokenreviews create": "knows agents by their tokens",
  "leases/hawser-controller get": "holds the Lease",
  "leases/hawser-controller update": "holds the Lease",
  "leases create": "makes the Lease",
  "events create": "tells a refused edit",
  "events patch": "counts refused edits",
};

const NO_GATEWAY_API = "the lab has no Gateway API";

/** Rights that nothing here can miss, each with its reason. */
const NOT_SHOWN: Readonly<Record<string, string>> = {
  "httproutes watch": NO_GATEWAY_API,
  "httproutes/status patch": NO_GATEWAY_API,
  "grpcroutes watch": NO_GATEWAY_API,
  "grpcroutes/status patch": NO_GATEWAY_API,
  "pods get": "only API servers before 1.30 do not say on which node a token's pod runs",
  "secrets create": "the authority is made once, before any agent has certificates",
};

const roles = rolesIn(readFileSync(path.join(MANIFESTS, "20-rbac.yaml"), "utf8"));
const rights = roles.flatMap(rightsOf);

const story = await kubernetesStories(webCluster());

test("every right that is shipped is known, and no other", (t) => {
  const known = [...Object.keys(NEEDED), ...Object.keys(NOT_SHOWN)];
  t.deepEqual(rights.map(({ name }) => name).toSorted(), known.toSorted());
});

story("with all rights every duty is done", async (t, lab) => {
  await restartControllers(lab);
  for (const [duty, done] of Object.entries(CONTROLLER_DUTIES)) {
    await t.notThrowsAsync(done(lab), duty);
    await meshConverged(lab);
  }
});

for (const { name, role, without } of rights) {
  const duty = NEEDED[name];
  if (duty === undefined) continue;
  story(`without ${name} of ${role.kind} a controller no longer ${duty}`, async (t, lab) => {
    await replaceRole(lab, without);
    try {
      await restartControllers(lab);
      if (duty !== "becomes ready" && duty !== "knows agents by their tokens") await meshConverged(lab);
      await t.throwsAsync(CONTROLLER_DUTIES[duty](lab), undefined, `${duty} without the right to ${name}`);
    } finally {
      await replaceRole(lab, role);
      await restore(lab);
    }
  });
}

async function replaceRole(lab: Lab, role: RoleObject): Promise<void> {
  await kubectl(lab, ["replace", "--filename", "-"], JSON.stringify(role));
}

/** What a duty left half done is put right: settings, labels, objects, controllers that gave up. */
async function restore(lab: Lab): Promise<void> {
  const story = ["--namespace", "story"];
  await kubectl(lab, [...story, "delete", "pods,services", "--selector", "herald", "--ignore-not-found"]);
  for (const round of [0, 1, 2, 3]) {
    const names = [`service/herald-${round}`, `pod/herald-${round}`];
    await kubectl(lab, [...story, "delete", ...names, "--ignore-not-found", "--grace-period", "0", "--force"]);
  }
  await kubectl(lab, [...story, "delete", "service/outside", "endpointslice/outside", "--ignore-not-found"]);
  await kubectl(lab, ["label", "--overwrite", "namespace", "story", "hawser.dev/mesh=enabled"]);
  await kubectl(lab, ["taint", "nodes", "node-1", "hawser.dev/agent-not-ready-"]).catch(() => {});
  await kubectl(lab, ["apply", "--filename", path.join(MANIFESTS, "30-config.yaml")]);
  await restartControllers(lab);
  await meshConverged(lab);
}
