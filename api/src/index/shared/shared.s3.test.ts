// Checkpoints shared through a bucket, by the couriers of two servers (`npm run test:s3`).
import { pino } from 'pino'
import { expect, inject, test } from 'vitest'
import { BUCKET } from '../../../test/s3-server.ts'
import { openS3Store } from '../../../test/s3-store.ts'
import { createCourier } from './courier.ts'
import { SharedPlace } from './fixtures.ts'
import { listManifests } from './shared.ts'

const env = inject('s3')

test('what one server built goes through the bucket to another, and what it replaces goes', async () => {
  await using place = await SharedPlace.open()
  await using opened = await openS3Store(env)
  const { store } = opened
  const [a, b] = [place.server('a'), place.server('b')]
  const courier = (dir: string) => {
    const config = place.db.config(place.home, { STORAGE: `s3://${BUCKET}/${opened.prefix}`, INDEX_DIR: dir })
    expect(config.sharedCheckpoints).toBe(true)
    return createCourier(config, place.db.pool, pino({ enabled: false }))
  }
  const [there, here] = [courier(a.dir), courier(b.dir)]
  try {
    const seqs: number[] = []
    for (let round = 0; round < 3; round++) {
      await place.document(200)
      seqs.unshift(await a.checkpoint())
      there.publish()
      await expect.poll(async () => (await listManifests(store))[0]?.seq).toBe(seqs[0])
    }
    await expect
      .poll(async () => (await listManifests(store)).map(({ seq }) => seq))
      .toEqual(seqs.slice(0, 2))
    const verified = await here.fetch()
    expect(verified).toHaveLength(2)
    expect(await b.loaded(verified)).toEqual(await a.loaded())
    const files: string[] = []
    for await (const { key } of store.list('index/t')) files.push(key)
    expect(files).toHaveLength(4)
  } finally {
    await there.close()
    await here.close()
  }
})
