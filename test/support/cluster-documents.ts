/** A documents directory as a test wants it; files are replaced by rename, as a careful writer does. */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

export class ClusterDocuments {
  readonly directory: string;
  #number = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Nodes node-1 and node-2, the second with a pod of shop/reviews; mesh settings by default. */
  async writeCluster(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    await this.write("nodes.yaml", [nodeText("node-1", 1), nodeText("node-2", 2)].join("---\n"));
    await this.writePod("catalog-1", "node-1", "10.244.1.2");
    await this.writePod("reviews-1", "node-2", "10.244.2.2");
  }

  async writePod(name: string, node: string, ip: string): Promise<void> {
    await this.write(`pod-${name}.yaml`, podText(name, node, ip));
  }

  async write(file: string, text: string): Promise<void> {
    const temporary = join(this.directory, `.${file}.${this.#number++}`);
    await writeFile(temporary, text);
    await rename(temporary, join(this.directory, file));
  }

  async remove(file: string): Promise<void> {
    await rm(join(this.directory, file));
  }
}

/** The service account is the pod's name without its number. */
export function podText(name: string, node: string, ip: string): string {
  const account = name.replace(/-\d+$/, "");
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${account} } }
spec: { nodeName: ${node}, serviceAccountName: ${account}, containers: [{ name: main, command: ["sleep"] }] }
status: { podIP: ${ip}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;
}

export function nodeText(name: string, number: number): string {
  return `apiVersion: v1
kind: Node
metadata: { name: ${name} }
spec: { podCIDR: 10.244.${number}.0/24 }
status: { addresses: [{ type: InternalIP, address: 192.0.2.${number} }] }
`;
}
