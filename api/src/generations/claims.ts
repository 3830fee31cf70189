// Who works on what, told by advisory locks of a connection: they end with it, so a process that is killed holds nothing.
import type { Client } from '../database/pool.ts'

/** 'generations', as a number nobody else uses, with the generation's id added. */
const SPACE = 1_743_820_000
/** The same for readings. Their documents are claimed by their keys. */
const READINGS = 1_743_900_000
/** Blocks count from 0. */
const REMOVAL = -1

export function claimBlock(client: Client, generationId: number, block: number): Promise<boolean> {
  return claim(client, SPACE + generationId, block)
}

export function releaseBlock(client: Client, generationId: number, block: number): Promise<void> {
  return release(client, SPACE + generationId, block)
}

export function claimRemoval(client: Client, generationId: number): Promise<boolean> {
  return claim(client, SPACE + generationId, REMOVAL)
}

export function releaseRemoval(client: Client, generationId: number): Promise<void> {
  return release(client, SPACE + generationId, REMOVAL)
}

export function claimDocument(client: Client, readingId: number, documentKey: number): Promise<boolean> {
  return claim(client, READINGS + readingId, documentKey)
}

export function releaseDocument(client: Client, readingId: number, documentKey: number): Promise<void> {
  return release(client, READINGS + readingId, documentKey)
}

async function claim(client: Client, space: number, key: number): Promise<boolean> {
  const { rows } = await client.query<{ got: boolean }>(
    'SELECT pg_try_advisory_lock($1::int, $2::int) AS got',
    [space, key],
  )
  return rows[0]?.got === true
}

async function release(client: Client, space: number, key: number): Promise<void> {
  await client.query('SELECT pg_advisory_unlock($1::int, $2::int)', [space, key])
}
