/** The double of the API server keeps the contract of the real one. */
import test from "ava";
import { ApiDouble } from "../../support/api-double.ts";
import { kubeClientContract } from "../../support/kube-client-contract.ts";

kubeClientContract(test, async (t) => {
  const double = await ApiDouble.start();
  const client = double.client();
  t.teardown(async () => {
    client.close();
    await double.stop();
  });
  return { client, namespace: "contract" };
});
