// A channel of the database for those who also poll: what is lost with a connection is found a little later, and what is wrong
// with the database their own reading says.
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { goodbye, lossOf } from './loss.ts'
import { BRIEF_MS, createListener, type DatabaseConfig, within } from './pool.ts'

const AGAIN_MS = 1_000

export interface Listening {
  readonly config: DatabaseConfig
  /** Of its connections, as the database shows them. */
  readonly name: string
  readonly channel: string
  readonly signal: AbortSignal
  readonly heard: () => void
  /** Whenever it listens anew: what came meanwhile was not heard. */
  readonly connected: (client: pg.Client) => void | Promise<void>
}

/** Until the signal aborts. A lost connection is opened again. */
export async function keepListening(listening: Listening): Promise<void> {
  const { config, name, channel, signal, heard, connected } = listening
  while (!signal.aborted) {
    const client = createListener(config, name)
    try {
      client.on('notification', heard)
      await client.connect()
      await client.query(within(BRIEF_MS, { text: `LISTEN ${channel}` }))
      await connected(client)
      await lossOf(client, signal)
    } catch {
      // the caller's own reading says what is wrong
    }
    await goodbye(client)
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => {})
  }
}
