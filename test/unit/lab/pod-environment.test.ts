import test from "ava";
import { podCommand, podEnvironment } from "../../../lab/cluster/pod-environment.ts";
import type { LabPod } from "../../../lab/lab-status.ts";

function podWith(command: readonly string[], env: readonly { name: string; value: string }[] = []): LabPod {
  return { metadata: { name: "web", namespace: "shop" }, spec: { nodeName: "node-1", containers: [{ command, env }] } };
}

test("a pod's process knows who and where it is, and what its container's env says", (t) => {
  const pod = podWith(["true"], [{ name: "TARGET", value: "catalog" }]);
  const environment = podEnvironment(pod, ["10.244.1.2", "fd10::2"], "/project", "/state/stats/shop.web.json");
  t.like(environment, {
    POD_NAME: "web",
    POD_NAMESPACE: "shop",
    POD_IP: "10.244.1.2",
    POD_IPS: "10.244.1.2,fd10::2",
    NODE_NAME: "node-1",
    TARGET: "catalog",
    LAB_STATS_FILE: "/state/stats/shop.web.json",
  });
  t.true(environment["PATH"]?.startsWith("/project/node_modules/.bin:"));
});

test("names in a command are replaced as Kubernetes does it", (t) => {
  const command = ["serve", "$(DIR)/www", "$(NOBODY)", "$$(DIR)", "$DIR"];
  t.deepEqual(podCommand(podWith(command), { DIR: "/run/pod" }), [
    "serve",
    "/run/pod/www",
    "$(NOBODY)",
    "$(DIR)",
    "$DIR",
  ]);
});
