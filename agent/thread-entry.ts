/** Where the program of a thread is: beside the source that starts it, or in a bundle beside that of the main thread. */

/** `relative`: from `base` (an `import.meta.url`) to the TypeScript file, such as `./worker-main.ts`. */
export function threadEntry(relative: `./${string}.ts`, base: string): URL {
  if (base.endsWith(".ts")) return new URL(relative, base);
  return new URL(relative.replace(/\.ts$/, ".cjs"), base);
}
