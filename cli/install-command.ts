/** `hawser install`: prints what `kubectl apply -f -` takes. It asks no cluster, and changes nothing. */
import type { Command } from "commander";
import { MANIFEST_VALUES } from "./manifests/manifest-values.ts";
import { renderInstall } from "./manifests/render-install.ts";
import { readManifests } from "./read-manifests.ts";

interface InstallFlags {
  readonly set: readonly string[];
  readonly image?: string;
  readonly replicas?: string;
}

export function addInstallCommand(program: Command): void {
  program
    .command("install")
    .description("Print the manifests: hawser install | kubectl apply -f -")
    .option("--set <key=value>", "a setting of the mesh or of the manifests; repeatable", collect, [])
    .option("--image <name>", "short for --set image=<name>")
    .option("--replicas <count>", "short for --set controller.replicas=<count>")
    .addHelpText("after", helpText())
    .action(({ set, image, replicas }: InstallFlags) => {
      const settings = [
        ...(image === undefined ? [] : [`image=${image}`]),
        ...(replicas === undefined ? [] : [`controller.replicas=${replicas}`]),
        ...set,
      ];
      process.stdout.write(renderInstall(readManifests().values(), settings));
    });
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function helpText(): string {
  const width = Math.max(...Object.keys(MANIFEST_VALUES).map((key) => key.length));
  const rows = Object.entries(MANIFEST_VALUES).map(
    ([key, { meaning, initial }]) => `  ${key.padEnd(width)}  ${meaning} (${initial})`,
  );
  return [
    "",
    "Settings of the mesh are those of the Mesh document below `spec`, e.g. encryption=permissive, ejection.maxEjection=10m,",
    "exclude.ports=[9100,9200]. Those of the manifests:",
    ...rows,
  ].join("\n");
}
