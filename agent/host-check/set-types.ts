/** Asks the kernel whether it has a type of ipset, without making one (IPSET_CMD_TYPE). */
import { renderAttribute } from "../netfilter/netlink-messages.ts";
import { askKernel } from "../netfilter/netlink-socket.ts";

// include/uapi/linux/netfilter/ipset/ip_set.h; see agent/netfilter/kernel-state.ts for the rest.
const IPSET_CMD_TYPE = (6 << 8) | 13;
const IPSET_ATTR_PROTOCOL = 1;
const IPSET_ATTR_TYPENAME = 3;
const IPSET_ATTR_FAMILY = 5;
const IPSET_PROTOCOL = 6;
const NFGENMSG_BYTES = 4;
const AF_INET = 2;

/** False also when the kernel cannot be asked: then no set can be made either. */
export function hasSetType(type: string): boolean {
  const payload = Buffer.concat([
    Buffer.alloc(NFGENMSG_BYTES),
    renderAttribute(IPSET_ATTR_PROTOCOL, Buffer.from([IPSET_PROTOCOL])),
    renderAttribute(IPSET_ATTR_TYPENAME, Buffer.from(`${type}\0`)),
    renderAttribute(IPSET_ATTR_FAMILY, Buffer.from([AF_INET])),
  ]);
  try {
    const question = { action: `ask for the ipset type ${type}`, type: IPSET_CMD_TYPE, dump: false, payload };
    return askKernel("netfilter", question).length > 0;
  } catch {
    return false;
  }
}
