/** Sizes as Kubernetes writes quantities of bytes: a whole number, with Ki, Mi, Gi (powers of 1024) or k, M, G behind it or not. */
export const BYTE_SIZE_PATTERN = /^[0-9]{1,12}(Ki|Mi|Gi|k|M|G)?$/;

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
};

/** Undefined when the text is no size. */
export function parseByteSize(text: string): number | undefined {
  if (!BYTE_SIZE_PATTERN.test(text)) return undefined;
  const unit = text.replace(/^[0-9]+/, "");
  return Number(text.slice(0, text.length - unit.length)) * (UNIT_BYTES[unit] ?? 1);
}
