/** Admin ports of a lab's agents and controller, which are on loopback addresses inside the lab. */
import { HawserError } from "../core/errors.ts";
import type { Lab } from "../lab/lab-client.ts";
import type { AdminPort } from "./explain/admin-port.ts";

/** `who`: a node, whose agent is asked, or `controller`. */
export function labAdminPort(lab: Lab, who: string): AdminPort {
  const name = who === "controller" ? "the controller" : `the agent of ${who}`;
  const get = async (from: string): Promise<unknown> => {
    const asked =
      who === "controller"
        ? lab.call("controllerHttp", { path: from })
        : lab.call("nodeHttp", { node: who, path: from });
    const { status, body } = await asked;
    if (status === 200) return JSON.parse(body);
    throw new HawserError("no-admin-answer", `${name} answers ${from} with HTTP status ${status}: ${body.trim()}`);
  };
  return { name, get };
}
