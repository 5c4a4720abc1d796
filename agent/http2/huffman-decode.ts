/**
 * HPACK's Huffman code (RFC 7541 appendix B), decoding only: what we send is not compressed.
 *
 * The code is canonical: codes of one length are consecutive numbers in the order of their symbols, so the lengths say
 * everything. Four bits are decoded per step, with a table of (node of the code's tree, next four bits).
 */

/** Of each symbol, 0 to 255, in bits. */
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26,
];
/** The symbol that must never come; the longest code. */
const END_OF_STRING = 256;
const LONGEST_CODE = 30;

/** Inner nodes of the tree: one less than its 257 leaves. */
const NODES = 256;
const INVALID = -1;
/** A step that completes no symbol. */
const NO_SYMBOL = 0xfff;
/** Bits of a step's value: symbol 12, node 9, may end here 1. */
const MAY_END = 1;

interface Tree {
  /** Of node n: children at 2n and 2n+1; a leaf is its symbol, negated, minus one. */
  readonly children: Int16Array;
  /** How many bits of ones alone lead to the node, or 99. */
  readonly onesToNode: Uint8Array;
}

const STEPS = buildSteps(buildTree());

/** Decodes `bytes` from `from` to `to` as Latin-1, or undefined when it is not valid. */
export function huffmanDecode(bytes: Buffer, from: number, to: number): string | undefined {
  // The shortest code has 5 bits.
  const decoded = Buffer.allocUnsafe(Math.ceil(((to - from) * 8) / 5));
  let length = 0;
  let step = MAY_END;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] as number;
    for (const bits of [byte >>> 4, byte & 15]) {
      step = STEPS[(((step >>> 1) & 0x1ff) << 4) | bits] as number;
      if (step === INVALID) return undefined;
      const symbol = step >>> 10;
      if (symbol !== NO_SYMBOL) {
        decoded[length] = symbol;
        length += 1;
      }
    }
  }
  return (step & MAY_END) === 0 ? undefined : decoded.toString("latin1", 0, length);
}

function buildTree(): Tree {
  const children = new Int16Array(NODES * 2);
  const onesToNode = new Uint8Array(NODES).fill(99);
  onesToNode[0] = 0;
  const lengths = [...CODE_LENGTHS, LONGEST_CODE];
  let nodes = 1;
  let code = 0;
  for (let length = 1; length <= LONGEST_CODE; length += 1) {
    for (let symbol = 0; symbol <= END_OF_STRING; symbol += 1) {
      if (lengths[symbol] !== length) continue;
      let node = 0;
      for (let bit = length - 1; bit > 0; bit -= 1) {
        const edge = node * 2 + ((code >>> bit) & 1);
        if (children[edge] === 0) {
          children[edge] = nodes;
          if (code >>> bit === 2 ** (length - bit) - 1) onesToNode[nodes] = length - bit;
          nodes += 1;
        }
        node = children[edge] as number;
      }
      children[node * 2 + (code & 1)] = -symbol - 1;
      code += 1;
    }
    code *= 2;
  }
  return { children, onesToNode };
}

function buildSteps({ children, onesToNode }: Tree): Int32Array {
  const steps = new Int32Array(NODES * 16);
  for (let node = 0; node < NODES; node += 1) {
    for (let bits = 0; bits < 16; bits += 1) steps[node * 16 + bits] = stepFrom(node, bits, children, onesToNode);
  }
  return steps;
}

/** Padding is the most significant bits of END_OF_STRING, which are ones, and shorter than a byte (section 5.2). */
function stepFrom(start: number, bits: number, children: Int16Array, onesToNode: Uint8Array): number {
  let node = start;
  let symbol = NO_SYMBOL;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const child = children[node * 2 + ((bits >>> bit) & 1)] as number;
    if (child === -END_OF_STRING - 1) return INVALID;
    if (child < 0) symbol = -child - 1;
    node = child < 0 ? 0 : child;
  }
  return (symbol << 10) | (node << 1) | ((onesToNode[node] as number) < 8 ? MAY_END : 0);
}
