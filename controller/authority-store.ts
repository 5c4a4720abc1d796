/**
 * Where the certificate authority is kept, and how a change of it becomes known. Every place (files, a Secret) ends in
 * this interface.
 */
import type { AuthorityMaterial } from "./authority-material.ts";

export interface AuthorityStore {
  /**
   * What is there; made when nothing is. Then `onChange` is called with whatever usable takes its place: something
   * unusable is logged, and what was read before stays in force. Rejects with AuthorityError when what is there cannot be
   * used, or with the system's error when nothing can be made.
   */
  open(onChange: (material: AuthorityMaterial) => void): Promise<AuthorityMaterial>;
  /** Why what is there is not in force, for people; empty when it is. */
  readonly problem: string;
  close(): Promise<void>;
}
