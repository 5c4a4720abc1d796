/** Values as iptables-save prints them, so that what was written and what is read back are the same text. */

export function hostCidr(address: string): string {
  return address.includes(":") ? `${address}/128` : `${address}/32`;
}

/** The kernel keeps 31 bits of a probability (xt_statistic). */
export function probability(share: number): string {
  const kept = Math.round(share * 2 ** 31) / 2 ** 31;
  return `-m statistic --mode random --probability ${kept.toFixed(11)}`;
}
