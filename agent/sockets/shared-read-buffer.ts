/**
 * What a thread reads sockets into, one after the other: a read of 64 KiB, less the header of an HTTP/2 frame, so that what was
 * read fills whole TLS records. Holds nothing from one callback to the next.
 */
export const SHARED_READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024 - 9);
