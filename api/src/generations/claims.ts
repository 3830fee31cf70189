// Who works on what, told by advisory locks of a connection: they end with it, so a process that is killed holds nothing.
import type { Client } from '../database/pool.ts'

/** 'generations', as a number nobody else uses, with the generation's id added. */
const SPACE = 1_743_820_000
/** Blocks count from 0. */
const REMOVAL = -1

export function claimBlock(client: Client, generationId: number, block: number): Promise<boolean> {
  return claim(client, generationId, block)
}

export function releaseBlock(client: Client, generationId: number, block: number): Promise<void> {
  return release(client, generationId, block)
}

export function claimRemoval(client: Client, generationId: number): Promise<boolean> {
  return claim(client, generationId, REMOVAL)
}

export function releaseRemoval(client: Client, generationId: number): Promise<void> {
  return release(client, generationId, REMOVAL)
}

async function claim(client: Client, generationId: number, key: number): Promise<boolean> {
  const { rows } = await client.query<{ got: boolean }>(
    'SELECT pg_try_advisory_lock($1::int, $2::int) AS got',
    [SPACE + generationId, key],
  )
  return rows[0]?.got === true
}

async function release(client: Client, generationId: number, key: number): Promise<void> {
  await client.query('SELECT pg_advisory_unlock($1::int, $2::int)', [SPACE + generationId, key])
}
