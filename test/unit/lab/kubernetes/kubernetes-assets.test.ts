import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { kubernetesAssets } from "../../../../lab/kubernetes/kubernetes-assets.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

function install(directory: string, ...names: readonly string[]): void {
  for (const name of names) {
    writeFileSync(path.join(directory, name), "");
    chmodSync(path.join(directory, name), 0o755);
  }
}

test("three programs are needed, two are used when they are there", async (t) => {
  const directory = await temporaryDirectory(t);
  install(directory, "kube-apiserver", "etcd", "kubectl");
  t.like(kubernetesAssets(directory), { etcd: path.join(directory, "etcd"), kubeScheduler: undefined });
  install(directory, "kube-scheduler");
  t.is(kubernetesAssets(directory).kubeScheduler, path.join(directory, "kube-scheduler"));
});

test("a folder that is not named, or lacks a program, is refused with what to do", async (t) => {
  const directory = await temporaryDirectory(t);
  for (const nothing of [undefined, ""]) t.throws(() => kubernetesAssets(nothing), { message: /KUBEBUILDER_ASSETS/ });
  install(directory, "kube-apiserver", "kubectl");
  t.throws(() => kubernetesAssets(directory), { code: "no-assets", message: /no program etcd/ });
});
