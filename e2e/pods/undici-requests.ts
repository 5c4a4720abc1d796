/**
 * Program run in a pod: undici's Pool with requests sent ahead of their answers. Prints as JSON how many answers were those
 * of their requests, and what went wrong. Usage: `node undici-requests.ts <origin> <requests> <connections> <ahead>`.
 */
import { Pool } from "undici";

export interface UndiciOutcome {
  readonly right: number;
  readonly wrong: readonly string[];
}

const [origin = "", requests = "0", connections = "1", ahead = "1"] = process.argv.slice(2);
const pool = new Pool(origin, { connections: Number(connections), pipelining: Number(ahead) });
const wrong: string[] = [];
let right = 0;

await Promise.all(Array.from({ length: Number(requests) }, (_, index) => ask(index)));
await pool.close();
process.stdout.write(JSON.stringify({ right, wrong } satisfies UndiciOutcome));

async function ask(index: number): Promise<void> {
  const path = `/numbered/${index}?of=${requests}`;
  try {
    const { statusCode, body } = await pool.request({ path, method: "GET", headers: { "x-number": `${index}` } });
    const seen = (await body.json()) as { readonly url: string; readonly headers: Readonly<Record<string, string>> };
    if (statusCode === 200 && seen.url === path && seen.headers["x-number"] === `${index}`) right += 1;
    else wrong.push(`${path}: ${statusCode} for ${seen.url}`);
  } catch (error) {
    wrong.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
