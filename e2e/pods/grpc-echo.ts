/**
 * A gRPC service of every kind of call, for grpc-js at both ends; messages are JSON. What a request asks for is in it:
 * answers after a delay, several of them, or a failure with a status.
 */
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  makeGenericClientConstructor,
  Metadata,
  type requestCallback,
  type CallOptions,
  type ServiceError,
  type status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";

export interface EchoRequest {
  readonly text: string;
  /** Answers of a stream; default 1. */
  readonly count?: number;
  readonly delayMs?: number;
  /** A status other than OK, with `details`. */
  readonly fail?: status;
  readonly details?: string;
  /** Fail so only this often per text, then answer. */
  readonly times?: number;
}

export interface EchoAnswer {
  readonly pod: string;
  readonly text: string;
  /** What the server saw of the client's metadata. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** From now to the client's deadline, if it has one. */
  readonly leftMs?: number;
}

const json = {
  requestSerialize: (value: EchoRequest): Buffer => Buffer.from(JSON.stringify(value)),
  requestDeserialize: (bytes: Buffer): EchoRequest => JSON.parse(bytes.toString()) as EchoRequest,
  responseSerialize: (value: EchoAnswer): Buffer => Buffer.from(JSON.stringify(value)),
  responseDeserialize: (bytes: Buffer): EchoAnswer => JSON.parse(bytes.toString()) as EchoAnswer,
};

export const echoService = {
  unary: { path: "/test.Echo/Unary", requestStream: false, responseStream: false, ...json },
  collect: { path: "/test.Echo/Collect", requestStream: true, responseStream: false, ...json },
  repeat: { path: "/test.Echo/Repeat", requestStream: false, responseStream: true, ...json },
  chat: { path: "/test.Echo/Chat", requestStream: true, responseStream: true, ...json },
} as const;

export interface EchoClient {
  unary(
    request: EchoRequest,
    metadata: Metadata,
    options: CallOptions,
    callback: requestCallback<EchoAnswer>,
  ): ClientUnaryCall;
  collect(metadata: Metadata, callback: requestCallback<EchoAnswer>): ClientWritableStream<EchoRequest>;
  repeat(request: EchoRequest, metadata?: Metadata, options?: CallOptions): ClientReadableStream<EchoAnswer>;
  chat(metadata?: Metadata, options?: CallOptions): ClientDuplexStream<EchoRequest, EchoAnswer>;
  close(): void;
}

/** `target`: `host:port`. */
export function createEchoClient(target: string, credentials: ChannelCredentials): EchoClient {
  const Client = makeGenericClientConstructor(echoService, "Echo");
  return new Client(target, credentials) as unknown as EchoClient;
}

/** `onCancelled`: a client has given a call up. */
export function echoServer(
  pod: string,
  onCancelled: (method: string) => void = () => {},
): UntypedServiceImplementation {
  const failures = new Map<string, number>();

  const errorOf = ({ fail, details = "as asked", times, text }: EchoRequest): Partial<ServiceError> | undefined => {
    if (fail === undefined) return undefined;
    const before = failures.get(text) ?? 0;
    if (times !== undefined && before >= times) return undefined;
    failures.set(text, before + 1);
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.from(`about ${text}`));
    return { code: fail, details, metadata };
  };

  const unary: handleUnaryCall<EchoRequest, EchoAnswer> = (call, callback) => {
    const { request } = call;
    call.on("cancelled", () => onCancelled("unary"));
    const error = errorOf(request);
    if (error === undefined) call.sendMetadata(answerMetadata(pod));
    const deadline = Number(call.getDeadline());
    const leftMs = Number.isFinite(deadline) ? { leftMs: deadline - Date.now() } : {};
    const answer = { pod, text: request.text, metadata: call.metadata.getMap(), ...leftMs };
    setTimeout(() => {
      if (error === undefined) callback(null, answer, trailing());
      else callback(error);
    }, request.delayMs ?? 0);
  };

  const collect: handleClientStreamingCall<EchoRequest, EchoAnswer> = (call, callback) => {
    const texts: string[] = [];
    call.on("cancelled", () => onCancelled("collect"));
    call.on("data", ({ text }: EchoRequest) => texts.push(text));
    call.on("end", () => callback(null, { pod, text: texts.join(" ") }));
  };

  const repeat: handleServerStreamingCall<EchoRequest, EchoAnswer> = (call) => {
    const { text, count = 1, delayMs = 0, ...rest } = call.request;
    let sent = 0;
    const more = (): void => {
      if (call.cancelled) return;
      if (sent < count) {
        call.write({ pod, text: `${text} ${sent}` });
        sent += 1;
        setTimeout(more, delayMs);
        return;
      }
      const error = errorOf({ text, ...rest });
      if (error === undefined) call.end(trailing());
      else call.emit("error", error);
    };
    call.on("cancelled", () => onCancelled("repeat"));
    more();
  };

  const chat: handleBidiStreamingCall<EchoRequest, EchoAnswer> = (call) => {
    call.on("cancelled", () => onCancelled("chat"));
    call.on("data", ({ text }: EchoRequest) => call.write({ pod, text: `you said ${text}` }));
    call.on("end", () => call.end());
    call.on("error", () => {});
  };

  return { unary, collect, repeat, chat };
}

function answerMetadata(pod: string): Metadata {
  const metadata = new Metadata();
  metadata.set("x-pod", pod);
  return metadata;
}

function trailing(): Metadata {
  const metadata = new Metadata();
  metadata.set("x-trailing", "yes");
  return metadata;
}
