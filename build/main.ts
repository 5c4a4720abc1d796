/** `npm run build`: bundles what ships into dist/, or the directory that is given. */
import path from "node:path";
import { bundle } from "./bundle.ts";

await bundle(path.resolve(process.argv[2] ?? "dist"));
