/**
 * The manifests at a real API server, by the real kubectl: taken as they are and as `hawser install` prints them, and the
 * controller may do what it must and nothing beside. Needs KUBEBUILDER_ASSETS.
 */
import path from "node:path";
import test from "ava";
import { runCommand } from "../../core/run-command.ts";
import { eventually } from "../support/eventually.ts";
import { gatewayApiDefinitions } from "../support/gateway-api-definitions.ts";
import { apiServerAssets, RealApiServer } from "../support/real-api-server.ts";

const DIRECTORY = path.resolve(import.meta.dirname, "../../daemonset");
const HAWSER = path.resolve(import.meta.dirname, "../../cli/main.ts");
const CONTROLLER = "system:serviceaccount:hawser-system:hawser-controller";
const AGENT = "system:serviceaccount:hawser-system:hawser-agent";
const assets = apiServerAssets();

if (assets === undefined) {
  test("without KUBEBUILDER_ASSETS no manifest is tested against a real API server", (t) => {
    t.log("Set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl");
    t.pass();
  });
} else {
  const kubectl = path.join(assets, "kubectl");
  let server: RealApiServer | undefined;
  test.before(async () => {
    server = await RealApiServer.start(assets, ["--allow-privileged"]);
  });
  test.after.always(() => server?.close());

  /** Standard output and error as one, and the exit code. */
  const run = async (argv: readonly string[], input?: string) => {
    const [program = "", ...args] = argv;
    const flag = `--kubeconfig=${server?.kubeconfigFile ?? ""}`;
    const options = { timeoutMs: 30_000, ...(input === undefined ? {} : { input }) };
    const { exitCode, stdout, stderr } = await runCommand([program, ...args, flag], options);
    return { exitCode, text: `${stdout}${stderr}` };
  };
  const hawser = (...args: readonly string[]) => runCommand([process.execPath, HAWSER, ...args]);

  test.serial("kubectl apply takes the folder with -f, and finds nothing to change with -k", async (t) => {
    const applied = await run([kubectl, "apply", "-f", DIRECTORY]);
    t.is(applied.exitCode, 0, applied.text);
    t.false(/warning/i.test(applied.text), applied.text);
    const again = await run([kubectl, "apply", "-k", DIRECTORY]);
    t.is(again.exitCode, 0, again.text);
    // kubectl always calls a PodDisruptionBudget configured: its selector is a field that a patch replaces.
    const changed = again.text.split("\n").filter((line) => / (created|configured)$/.test(line));
    t.deepEqual(
      changed.filter((line) => !line.startsWith("poddisruptionbudget")),
      [],
    );
  });

  test.serial(
    "the API server takes every manifest in a dry run, as they are and with every kind of setting",
    async (t) => {
      const plain = await run([kubectl, "apply", "--dry-run=server", "-f", DIRECTORY]);
      t.is(plain.exitCode, 0, plain.text);
      const settings = [
        "image=registry.example.com/hawser:1",
        "controller.replicas=1",
        "agent.drain=2m",
        "agent.workers=4",
      ];
      const more = ["agent.clusterCidrs=10.244.0.0/16", "networkPolicy.adminCidrs=192.0.2.9", "encryption=permissive"];
      const { stdout } = await hawser("install", ...[...settings, ...more].flatMap((one) => ["--set", one]));
      const set = await run([kubectl, "apply", "--dry-run=server", "-f", "-"], stdout);
      t.is(set.exitCode, 0, set.text);
    },
  );

  test.serial("the controller may do what it must, and neither it nor the agent more", async (t) => {
    const may = async (who: string, ...words: readonly string[]): Promise<boolean> =>
      (await run([kubectl, "auth", "can-i", "--as", who, ...words])).exitCode === 0;
    const ours = ["-n", "hawser-system"];
    // kubectl asks about resources only that the API server knows.
    const definitions = JSON.stringify({ apiVersion: "v1", kind: "List", items: gatewayApiDefinitions() });
    const installed = await run([kubectl, "apply", "--server-side", "-f", "-"], definitions);
    t.is(installed.exitCode, 0, installed.text);
    const watchRoutes = ["watch", "httproutes.gateway.networking.k8s.io", "-A"];
    await eventually("routes to be known, and allowed", () => may(CONTROLLER, ...watchRoutes), 20_000);
    for (const allowed of [
      ["list", "pods", "-A"],
      ["watch", "endpointslices.discovery.k8s.io", "-A"],
      ["patch", "nodes"],
      ["create", "tokenreviews.authentication.k8s.io"],
      ["list", "secrets/hawser-ca", ...ours],
      ["patch", "configmaps/hawser-agents", ...ours],
      ["update", "leases.coordination.k8s.io/hawser-controller", ...ours],
      ["create", "events", ...ours],
      ["patch", "grpcroutes.gateway.networking.k8s.io", "--subresource=status", "-A"],
    ]) {
      t.true(await may(CONTROLLER, ...allowed), allowed.join(" "));
    }
    for (const refused of [
      ["get", "secrets", "-A"],
      ["list", "secrets", ...ours],
      ["get", "secrets/other", ...ours],
      ["patch", "configmaps/hawser", ...ours],
      ["delete", "pods", ...ours],
      ["create", "pods/exec", ...ours],
      ["delete", "nodes"],
      ["patch", "httproutes.gateway.networking.k8s.io", "-A"],
    ]) {
      t.false(await may(CONTROLLER, ...refused), refused.join(" "));
    }
    for (const one of [
      ["get", "pods", ...ours],
      ["get", "configmaps", ...ours],
      ["list", "nodes"],
      ["get", "secrets", ...ours],
    ]) {
      t.false(await may(AGENT, ...one), one.join(" "));
    }
  });

  test.serial("hawser check looks at a cluster without controllers, and says what is missing", async (t) => {
    const { exitCode, stdout } = await hawser("check", "--json", "--kubeconfig", server?.kubeconfigFile ?? "");
    t.is(exitCode, 1);
    const findings = JSON.parse(stdout) as { level: string; subject: string; detail: string }[];
    t.like(findings[0], { level: "ok", subject: "API server" });
    t.like(
      findings.find(({ subject }) => subject === "controller"),
      { level: "failed", detail: "0 of 2 replicas ready: traffic goes on, changes do not reach it" },
    );
  });
}
