/** Every named maximum of the netfilter layer, with its reason. */

/**
 * Entries one set may hold (ipset `maxelem`). It costs nothing until used: a set grows with its content. A million pods
 * or VIPs is ten times the largest cluster that Kubernetes supports (150,000 pods).
 */
export const MAX_SET_ENTRIES = 1_048_576;

/**
 * DNAT rules for the local shares of Services, per address family: nat rules are walked one by one, though only by
 * the first packet of a direct connection. 2,000 is 110 pods (the kubelet's limit) in 18 Services each. Services beyond it go to
 * the agent as a whole.
 */
export const MAX_DIRECT_RULES = 2_000;

/** xt_comment keeps 256 bytes with the final zero. */
export const MAX_COMMENT_LENGTH = 255;

/** Somebody else may change a table between our look and our write: that many looks before giving up. */
export const MAX_WRITE_ATTEMPTS = 4;

/** nftables frees rules in the background; until then their sets count as in use. In practice it takes milliseconds. */
export const MAX_DESTROY_ATTEMPTS = 40;
export const DESTROY_RETRY_MS = 25;

/** Longest a single iptables, ipset or ip call may take. A host with 50,000 rules needs about a second. */
export const COMMAND_TIMEOUT_MS = 30_000;

/** How often the rules are looked at. Foreign damage is repaired within this time plus one write. */
export const CHECK_PERIOD_MS = 2_000;

/**
 * How long what the kernel tells by itself (kernel-state.ts) is believed before every rule is compared again, for what it
 * does not show: a rule of legacy iptables replaced by one of the same size. It costs seven programs, about 50 ms of
 * CPU: every 30 s that is nothing.
 */
export const FULL_CHECK_PERIOD_MS = 30_000;

/** Bytes of one answer of the kernel: 5,000 foreign ipsets or policy rules. Above it the programs are asked as before. */
export const MAX_NETLINK_ANSWER_BYTES = 1_048_576;

/** A list that changes while it is read is read again that many times, microseconds later. */
export const MAX_DUMP_ATTEMPTS = 3;

/** Rules that do not stay repaired are somebody's constant fight: slow down, so that two daemons do not burn the host. */
export const MAX_CHECK_PERIOD_MS = 30_000;
