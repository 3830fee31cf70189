// The cluster's addresses, in turn. The client's own pool leaves out one that does not answer, and asks it in the
// background whether it is there again; but by itself not before a minute, and up to half an hour later.
import { ConnectionPool } from '@opensearch-project/opensearch'

/** Doubled with every failure in a row, of which many come at once when a busy node dies. */
const LEFT_OUT_MS = 1_000
const DOUBLINGS = 3

export class Nodes extends ConnectionPool {
  constructor(options?: ConstructorParameters<typeof ConnectionPool>[0]) {
    super(options)
    this.resurrectTimeout = LEFT_OUT_MS
    this.resurrectTimeoutCutoff = DOUBLINGS
  }
}
