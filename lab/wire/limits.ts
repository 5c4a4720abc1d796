/** Bounds of the underlay capture, each with its reason. */

/** Blocks of the ring that the kernel fills, per node. One holds many frames of 64 KiB, the most that comes at once. */
export const RING_BLOCK_BYTES = 1024 * 1024;

/** 16 MiB per node: what 0.1 s at 160 MB/s needs, while two busy cores run something else. */
export const RING_BLOCKS = 16;

/** A block that is not full is handed over after this long: how late a quiet wire is seen. */
export const RING_TIMEOUT_MS = 20;

/** How often the rings are emptied. */
export const POLL_PERIOD_MS = 20;

/** How often the worker tells what it has counted. */
export const SUMMARY_PERIOD_MS = 250;

/** A worker that has not ended this long after it was told to is taken for dead: it has a few full rings to judge at most. */
export const STOP_TIMEOUT_MS = 10_000;

/** TCP directions followed at once; the longest unused is forgotten and judged by its bytes only. Far above any story's 2,000 connections. */
export const MAX_FLOWS = 65_536;

/** A TLS record's body: 2^14 plus 256 of expansion (RFC 8446 section 5.2), 2^14 + 2048 in TLS 1.2 (RFC 5246 section 6.2.3). */
export const MAX_TLS_RECORD_BYTES = 16_384 + 2048;

/** Handshake bytes kept until a ServerHello is whole. X25519MLKEM768 makes it about 1.2 KiB. */
export const MAX_HANDSHAKE_BYTES = 16_384;

/** Offending packets kept for diagnosis: enough to see the pattern, small enough for a report. */
export const MAX_SAMPLES = 8;

/** Bytes shown of an offending packet. */
export const MAX_SAMPLE_BYTES = 96;

/** Printable bytes in a row that ciphertext does not produce: (98/256)^32 is 5e-14 per position, 5e-5 per GiB. */
export const PRINTABLE_RUN_BYTES = 32;
