/** The gRPC service of a soak, for grpc-js at both ends; messages are bytes. */
import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  makeGenericClientConstructor,
  Metadata,
  type requestCallback,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";

export interface SoakGrpcClient {
  unary(request: Buffer, options: CallOptions, callback: requestCallback<Buffer>): ClientUnaryCall;
  /** Is answered after a while. */
  slow(request: Buffer, options: CallOptions, callback: requestCallback<Buffer>): ClientUnaryCall;
  /** Sends the message back `MESSAGES` times. */
  repeat(request: Buffer): ClientReadableStream<Buffer>;
  /** Sends each message back. */
  chat(): ClientDuplexStream<Buffer, Buffer>;
  close(): void;
}

export const MESSAGES = 20;

const same = (bytes: Buffer): Buffer => bytes;
const bytes = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };

export const soakService = {
  unary: { path: "/soak.Calls/Unary", requestStream: false, responseStream: false, ...bytes },
  slow: { path: "/soak.Calls/Slow", requestStream: false, responseStream: false, ...bytes },
  repeat: { path: "/soak.Calls/Repeat", requestStream: false, responseStream: true, ...bytes },
  chat: { path: "/soak.Calls/Chat", requestStream: true, responseStream: true, ...bytes },
} as const;

/** `target`: `host:port`. With a connection of its own. */
export function createSoakGrpcClient(target: string): SoakGrpcClient {
  const Client = makeGenericClientConstructor(soakService, "Calls");
  const options = { "grpc.use_local_subchannel_pool": 1 };
  return new Client(target, credentials.createInsecure(), options) as unknown as SoakGrpcClient;
}

export function soakCalls(slowMs: number): UntypedServiceImplementation {
  const unary: handleUnaryCall<Buffer, Buffer> = ({ request }, callback) => callback(null, request, trailers());
  const slow: handleUnaryCall<Buffer, Buffer> = ({ request }, callback) => {
    setTimeout(() => callback(null, request), slowMs);
  };
  const repeat: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    for (let sent = 0; sent < MESSAGES; sent += 1) call.write(call.request);
    call.end(trailers());
  };
  const chat: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    call.on("data", (message: Buffer) => call.write(message));
    call.on("end", () => call.end(trailers()));
    // Clients that leave in the middle are a part of it.
    call.on("error", () => {});
  };
  return { unary, slow, repeat, chat };
}

function trailers(): Metadata {
  const metadata = new Metadata();
  metadata.set("x-trailing", "yes");
  return metadata;
}
