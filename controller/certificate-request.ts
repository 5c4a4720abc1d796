/**
 * Reads a PKCS#10 request with suspicion: what comes out is a P-256 public key whose owner proved to hold the private
 * one, and the one identity it asks for. Anything else in the request is a reason to refuse, not something to ignore.
 */
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { HawserError } from "../core/errors.ts";
import { parseIdentity } from "../protocol/identity.ts";
import { limits } from "./limits.ts";

export type RequestErrorCode = "unreadable-request" | "wrong-key" | "no-proof" | "wrong-names";
export class RequestError extends HawserError<RequestErrorCode> {}

export interface CheckedRequest {
  /** SPIFFE URI. Well-formed; whether the node may have it is another question. */
  readonly identity: string;
  readonly publicKey: x509.PublicKey;
}

/** PKCS#9 extensionRequest (RFC 2985 5.4.2): the only attribute a request may have. */
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const PEM_REQUEST = /^\s*-----BEGIN CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----\s*$/;

/** Throws RequestError. */
export async function checkCertificateRequest(pem: string): Promise<CheckedRequest> {
  const { request, publicKey, identity } = read(pem);
  if (!(await isProven(request))) {
    throw new RequestError("no-proof", "Request is not signed with the key that it names");
  }
  return { identity, publicKey };
}

function read(pem: string): CheckedRequest & { readonly request: x509.Pkcs10CertificateRequest } {
  if (pem.length > limits.certificateRequestBytes) {
    throw new RequestError("unreadable-request", `Request is longer than ${limits.certificateRequestBytes} bytes`);
  }
  // The library also takes hex and base64 of anything; we agreed on PEM.
  if (!PEM_REQUEST.test(pem)) throw new RequestError("unreadable-request", "Request is not PEM of a PKCS#10 request");
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    return { request, publicKey: p256Key(request), identity: onlyIdentity(request) };
  } catch (error) {
    // The library reads parts only when they are asked for, and throws errors of many kinds.
    if (error instanceof RequestError) throw error;
    throw new RequestError("unreadable-request", "Request is not PKCS#10", { cause: error });
  }
}

function p256Key(request: x509.Pkcs10CertificateRequest): x509.PublicKey {
  const { publicKey } = request;
  const { name, namedCurve } = publicKey.algorithm as Partial<webcrypto.EcKeyAlgorithm>;
  if (name !== "ECDSA" || namedCurve !== "P-256") {
    throw new RequestError("wrong-key", `Key must be ECDSA on P-256, it is ${name ?? "unknown"} ${namedCurve ?? ""}`);
  }
  return publicKey;
}

async function isProven(request: x509.Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify();
  } catch {
    return false;
  }
}

function onlyIdentity(request: x509.Pkcs10CertificateRequest): string {
  const wrong = (why: string): RequestError => new RequestError("wrong-names", `Request ${why}`);
  if (request.subjectName.toJSON().length > 0) throw wrong(`has a subject, ${request.subject.slice(0, 100)}`);
  const [attribute] = request.attributes;
  if (attribute?.type !== EXTENSION_REQUEST || request.attributes.length !== 1 || attribute.values.length !== 1) {
    throw wrong("must have the one attribute extensionRequest");
  }
  const [extension] = request.extensions;
  if (!(extension instanceof x509.SubjectAlternativeNameExtension) || request.extensions.length !== 1) {
    throw wrong("must ask for one extension, a subject alternative name");
  }
  const [name] = extension.names.items;
  if (name === undefined || extension.names.items.length !== 1 || name.type !== "url") {
    throw wrong(`must ask for one URI, it asks for ${extension.names.items.length} names`);
  }
  if (parseIdentity(name.value) === undefined) throw wrong(`asks for ${name.value.slice(0, 100)}, not an identity`);
  return name.value;
}
