/** The contract of the client, against a real API server. Needs KUBEBUILDER_ASSETS. */
import { randomUUID } from "node:crypto";
import test from "ava";
import { kubeClientContract } from "../support/kube-client-contract.ts";
import { apiServerAssets, RealApiServer } from "../support/real-api-server.ts";

const assets = apiServerAssets();

if (assets === undefined) {
  test("without KUBEBUILDER_ASSETS nothing is tested against a real API server", (t) => {
    t.log("Set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd");
    t.pass();
  });
} else {
  // One for all tests: it takes seconds to start.
  let server: RealApiServer | undefined;
  test.before(async () => {
    server = await RealApiServer.start(assets);
  });
  test.after.always(() => server?.close());

  kubeClientContract(test, async (t) => {
    if (server === undefined) throw new Error("The API server did not start");
    const client = await server.client();
    t.teardown(() => client.close());
    const name = `contract-${randomUUID()}`;
    await client.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    return { client, namespace: name };
  });
}
