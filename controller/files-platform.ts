/** A mesh of files: documents in a directory; join tokens, authority and presence in the state directory. */
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { AuthorityFiles } from "./authority-files.ts";
import { FilesSource } from "./files-source.ts";
import { JoinTokens } from "./join-tokens.ts";
import type { Platform } from "./platform.ts";
import { PresenceFile } from "./presence-file.ts";
import type { StateFiles } from "./state-files.ts";

export interface FilesPlatformOptions {
  readonly documentsDirectory: string;
  readonly stateDirectory: string;
  readonly stateFiles: StateFiles;
  /** For the name of a new root. */
  readonly trustDomain: string;
  readonly countFailure: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

export function filesPlatform(options: FilesPlatformOptions): Platform {
  const { documentsDirectory, stateDirectory, stateFiles, trustDomain, countFailure, clock, log } = options;
  const tokens = new JoinTokens({ directory: join(stateDirectory, "tokens"), log, count: countFailure });
  const presence = new PresenceFile(stateFiles);
  return {
    source: new FilesSource({ directory: documentsDirectory, clock, log }),
    authenticator: tokens,
    authority: new AuthorityFiles({ directory: stateDirectory, trustDomain, clock, log }),
    presence,
    // There is one controller.
    start: (onLeader) => onLeader("self"),
    setNodes: (nodes) => {
      presence.keep(nodes);
      return tokens.setNodes(nodes);
    },
    status: () => ({}),
    close: async () => {},
  };
}
