/**
 * Stories of one file on one lab: started before the first, taken down after the last, told one after the other.
 *
 *   const story = await labStories([mesh(), pod({ ... })]);
 *   story("subject does something", async (t, lab) => { ... });
 *
 * A file whose name begins with `bridged-` tells the stories of the file that it imports once more, on nodes where pods are
 * on a bridge with br_netfilter.
 *
 * Without the rights for namespaces every story is skipped, and says why. A story that fails shows what the agents
 * complained about. `HAWSER_E2E_MESH=off` runs the same stories without the mesh, to tell a wrong story from a wrong mesh.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Lab, type StartLabOptions, startLab } from "../../lab/lab-client.ts";
import { namespaceSupport } from "../../lab/launcher/namespace-support.ts";
import { clusterText } from "./cluster-documents.ts";

export type Story = (t: ExecutionContext, lab: Lab) => Promise<void>;
/** `requires`: programs of the machine without which the story is skipped. */
export type TellStory = (title: string, story: Story, requires?: readonly string[]) => void;

/** Lines of each agent's log that a failed story shows. */
const COMPLAINTS_SHOWN = 8;
const PROGRAM_DIRECTORIES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export const podsAreBridged = path.basename(test.meta.file).startsWith("bridged-");

export async function labStories(documents: readonly object[], options: StartLabOptions = {}): Promise<TellStory> {
  const support = await namespaceSupport();
  if (!support.supported) return skipStories(`no namespaces here: ${support.reason}`);
  let lab: Lab | undefined;
  test.before(async (t) => {
    t.timeout(120_000, "the lab did not start");
    lab = await startLabWith(documents, options);
  });
  test.after.always(async (t) => {
    if (lab !== undefined) t.deepEqual(await lab.stop(), []);
  });
  return (title, story, requires = []) => {
    const missing = requires.filter((program) => !isInstalled(program));
    if (missing.length > 0) {
      process.stderr.write(`SKIPPED, not installed: ${missing.join(", ")}: ${title}\n`);
      test.serial.skip(title, (t) => t.fail());
      return;
    }
    test.serial(title, async (t) => {
      t.timeout(110_000);
      if (lab === undefined) throw new Error("The lab did not start");
      try {
        await story(t, lab);
      } catch (error) {
        showComplaints(t, lab);
        throw error;
      }
    });
  };
}

/** Every story is reported as skipped, never as passed. */
export function skipStories(reason: string): TellStory {
  process.stderr.write(`SKIPPED, ${reason}\n`);
  return (title) => test.serial.skip(title, (t) => t.fail());
}

async function startLabWith(documents: readonly object[], options: StartLabOptions): Promise<Lab> {
  const directory = mkdtempSync(path.join(tmpdir(), "hawser-story-"));
  try {
    const file = path.join(directory, "cluster.yaml");
    writeFileSync(file, clusterText(documents));
    const defaults = { mesh: process.env["HAWSER_E2E_MESH"] !== "off", bridgeNetfilter: podsAreBridged };
    return await startLab({ ...defaults, ...options, file });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function isInstalled(program: string): boolean {
  return PROGRAM_DIRECTORIES.some((directory) => existsSync(path.join(directory, program)));
}

function showComplaints(t: ExecutionContext, lab: Lab): void {
  for (const file of readdirSync(lab.logsDir, { recursive: true, encoding: "utf8" })) {
    if (!/^(agent|controller|pods\/hawser-system\.)/.test(file)) continue;
    const lines = readFileSync(path.join(lab.logsDir, file), "utf8").split("\n");
    const complaints = lines.filter((line) => line !== "" && isComplaint(line)).slice(-COMPLAINTS_SHOWN);
    if (complaints.length > 0) t.log(`${file}\n${complaints.join("\n")}`);
  }
}

/** A line that is no JSON comes from Node itself: a crash. */
function isComplaint(line: string): boolean {
  try {
    return ["warn", "error"].includes((JSON.parse(line) as { level: string }).level);
  } catch {
    return true;
  }
}
