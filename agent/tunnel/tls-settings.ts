/**
 * TLS as HBONE wants it, the same for both roles: 1.3 only, AES-GCM, post-quantum hybrid key exchange first.
 */
export const TLS_SETTINGS = {
  minVersion: "TLSv1.3",
  maxVersion: "TLSv1.3",
  /** 128 first: as safe in practice, and faster without VAES. */
  ciphers: "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
  /** X25519MLKEM768: draft-ietf-tls-ecdhe-mlkem. X25519 for peers that lack it. */
  ecdhCurve: "X25519MLKEM768:X25519",
} as const;

export const ALPN = "h2";

/** Key and chain of one local identity, and the roots that peers' chains must end in; all PEM. */
export interface TlsCredentials {
  readonly identity: string;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: string;
}
