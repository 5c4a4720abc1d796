/** Ports that two processes must agree on. */

/** HBONE: agents dial podIP:15008, and the destination node's agent answers for the pod. */
export const HBONE_PORT = 15008;
/** The controller's channel for agents: WebSocket over TLS. */
export const CONTROL_PORT = 15012;
/** The agent's admin port, loopback only. */
export const AGENT_ADMIN_PORT = 15000;
/** The controller's admin port, loopback only. */
export const CONTROLLER_ADMIN_PORT = 15010;
