/** Whether this replica is the one that writes what only one may write. */
export interface Leadership {
  readonly isLeader: boolean;
}
