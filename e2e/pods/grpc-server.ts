/** Program of a pod: the gRPC service of grpc-echo.ts, which ends in order at SIGTERM. Usage: `node grpc-server.ts <port>`. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { echoServer, echoService } from "./grpc-echo.ts";

const server = new Server();
server.addService(
  echoService,
  echoServer(process.env["POD_NAME"] ?? "unknown", (method) => process.stdout.write(`cancelled ${method}\n`)),
);
server.bindAsync(`[::]:${process.argv[2]}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
process.on("SIGTERM", () => server.tryShutdown(() => process.exit()));
