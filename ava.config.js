export default {
  extensions: ["ts"],
  files: ["test/**/*.test.ts", "e2e/**/*.test.ts"],
  timeout: "120s",
  workerThreads: false,
};
