/** The version of this program: the one in package.json. */
import packageJson from "../package.json" with { type: "json" };

export const packageVersion: string = packageJson.version;
