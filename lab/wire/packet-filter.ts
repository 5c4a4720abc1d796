/**
 * The kernel's filter for the capture of one node (classic BPF, <linux/filter.h>): what goes out, and TCP that comes in
 * from the controller.
 *
 * Every packet is wanted once although it passes the uplinks of two nodes, so it counts where it goes out. Only what
 * the controller sends is taken where it comes in, because the controller's own place has no capture.
 */

type Target = "next" | "ipv6" | "accept" | "reject";

interface Instruction {
  readonly at?: Target;
  readonly operation: number;
  readonly constant: number;
  /** Where a comparison goes on; always further down. */
  readonly equal?: Target;
  readonly otherwise?: Target;
}

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_HALF = 0x28; // BPF_LD | BPF_H | BPF_ABS
const LOAD_BYTE = 0x30; // BPF_LD | BPF_B | BPF_ABS
const LOAD_HALF_INDEXED = 0x48; // BPF_LD | BPF_H | BPF_IND
const INDEX_IPV4_HEADER = 0xb1; // BPF_LDX | BPF_B | BPF_MSH: 4 * (low half of the byte)
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

const PACKET_TYPE = 0xfffff004; // SKF_AD_OFF + SKF_AD_PKTTYPE
const OUTGOING = 4; // PACKET_OUTGOING
const WHOLE_PACKET = 0xffffffff;

const ETHERNET_BYTES = 14;
const IPV4_PROTOCOL = ETHERNET_BYTES + 9;
const IPV6_PROTOCOL = ETHERNET_BYTES + 6;
const IPV6_BYTES = 40;
const TCP = 6;

const INSTRUCTION_BYTES = 8;

/** An array of `struct sock_filter`. IPv6 extension headers are not looked behind: the controller sends none. */
export function outgoingOrFromPort(sourcePort: number): Buffer {
  const load = (operation: number, constant: number): Instruction => ({ operation, constant });
  const only = (constant: number, otherwise: Target, equal: Target = "next"): Instruction => {
    return { operation: JUMP_EQUAL, constant, equal, otherwise };
  };
  return assemble([
    load(LOAD_WORD, PACKET_TYPE),
    only(OUTGOING, "next", "accept"),
    load(LOAD_HALF, ETHERNET_BYTES - 2),
    only(0x0800, "ipv6"),
    load(LOAD_BYTE, IPV4_PROTOCOL),
    only(TCP, "reject"),
    load(INDEX_IPV4_HEADER, ETHERNET_BYTES),
    load(LOAD_HALF_INDEXED, ETHERNET_BYTES),
    only(sourcePort, "reject", "accept"),
    { at: "ipv6", ...only(0x86dd, "reject") },
    load(LOAD_BYTE, IPV6_PROTOCOL),
    only(TCP, "reject"),
    load(LOAD_HALF, ETHERNET_BYTES + IPV6_BYTES),
    only(sourcePort, "reject", "accept"),
    { at: "accept", operation: RETURN, constant: WHOLE_PACKET },
    { at: "reject", operation: RETURN, constant: 0 },
  ]);
}

function assemble(instructions: readonly Instruction[]): Buffer {
  const program = Buffer.alloc(instructions.length * INSTRUCTION_BYTES);
  const distance = (from: number, target: Target = "next") => {
    return target === "next" ? 0 : instructions.findIndex(({ at }) => at === target) - from - 1;
  };
  for (const [index, { operation, constant, equal, otherwise }] of instructions.entries()) {
    const offset = index * INSTRUCTION_BYTES;
    program.writeUInt16LE(operation, offset);
    program.writeUInt8(distance(index, equal), offset + 2);
    program.writeUInt8(distance(index, otherwise), offset + 3);
    program.writeUInt32LE(constant, offset + 4);
  }
  return program;
}
