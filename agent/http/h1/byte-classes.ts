/** Which bytes may stand where in a message: tables of 256, 1 for those that may. */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** `tchar` (RFC 9110 section 5.6.2): names of fields and of methods. */
export const TOKEN_BYTES = tableOf((byte) => `!#$%&'*+-.^_\`|~${ALPHANUMERIC}`.includes(String.fromCharCode(byte)));

/** `field-vchar`, SP and HTAB (RFC 9110 section 5.5). No DEL, no other control character. */
export const TEXT_BYTES = tableOf((byte) => byte === HTAB || (byte >= SP && byte !== 0x7f));

/** A request line: visible ASCII and its spaces. */
export const REQUEST_LINE_BYTES = tableOf((byte) => byte >= SP && byte < 0x7f);

/** Value of a hexadecimal digit, 255 for any other byte. */
export const HEX_VALUES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = "0123456789abcdef".indexOf(String.fromCharCode(byte).toLowerCase());
  return value === -1 ? 255 : value;
});

function tableOf(may: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (may(byte) ? 1 : 0));
}
