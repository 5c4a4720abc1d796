/** The engines by name, apart from their code: the main thread needs only the names. */
export const ENGINE_NAMES = ["framing", "node-http2"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];
