/** What a server sees of its client: the pod's own address and port, unless the pod uses that port twice. */
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import type { WhoAnswer } from "./support/ask-who.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const LOCAL_PORT = 34_567;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({ name: "server", node: 2, command: ["node", "e2e/pods/who-server.ts", "8080"], port: 8080 }),
  service({ name: "first", number: 101, selector: { app: "server" }, ports: [8080] }),
  service({ name: "second", number: 102, selector: { app: "server" }, ports: [8080] }),
]);

story("a pod may use one local port for two Services that lead to the same application", async (t, lab) => {
  const args = [`${LOCAL_PORT}`, "first", "8080", "second", "8080"];
  const [first, second] = await runProgram<WhoAnswer[]>(lab, "client", "same-port-client.ts", args);
  const { pods } = await lab.status();
  const addresses = pods.find(({ name }) => name === "client")?.ips ?? [];
  t.like(first, { server: "server", clientPort: LOCAL_PORT });
  t.is(second?.server, "server");
  for (const answer of [first, second]) t.true(addresses.includes(answer?.client ?? ""));
  t.not(second?.clientPort, LOCAL_PORT);
});
