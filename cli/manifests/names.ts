/** What everything of Hawser is called in a cluster; the manifests, the controller and this program agree on it. */

export const NAMESPACE = "hawser-system";
export const AGENT = "hawser-agent";
export const CONTROLLER = "hawser-controller";
export const CONFIG_MAP = "hawser";
/** Key of the Mesh document in the ConfigMap. */
export const MESH_KEY = "mesh.yaml";
export const ROOTS_CONFIG_MAP = "hawser-ca-root";
