import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open as openFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import { createFileBlobStore } from './files.ts'
import { blobStoreCases } from './port.cases.ts'

async function open() {
  const dir = await mkdtemp(path.join(tmpdir(), 'terrace-blobs-'))
  const store = await createFileBlobStore(dir)
  return {
    dir,
    store,
    async residue() {
      const entries = await readdir(dir, { recursive: true, withFileTypes: true })
      return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  }
}

blobStoreCases('the filesystem', { large: 3_000_000, largeRace: true }, open)

afterEach(() => vi.restoreAllMocks())

/** The prototype that every file handle shares: what the kernel would say is said there. */
async function fileHandles(): Promise<{
  write: (...args: unknown[]) => Promise<unknown>
  sync: () => Promise<void>
}> {
  const handle = await openFile('/dev/null', 'r')
  await handle.close()
  return Object.getPrototypeOf(handle)
}

const failure = (code: string) => Object.assign(new Error(`${code}: from the kernel`), { code })

test.each(['ENOSPC', 'EDQUOT'])('%s in the middle is STORAGE_FULL and leaves nothing', async (code) => {
  await using opened = await open()
  const handles = await fileHandles()
  const original = handles.write
  let calls = 0
  vi.spyOn(handles, 'write').mockImplementation(function (this: unknown, ...args) {
    calls += 1
    return calls > 2 ? Promise.reject(failure(code)) : original.apply(this, args)
  })
  const body = Readable.from([randomBytes(10), randomBytes(10), randomBytes(10)])
  await expect(opened.store.put('a', body)).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  vi.restoreAllMocks()
  expect(await opened.residue()).toEqual([])
  await opened.store.put('a', Readable.from([randomBytes(10)]))
})

test('a disk that takes less than it is given gets the rest', async () => {
  await using opened = await open()
  const handles = await fileHandles()
  const original = handles.write
  vi.spyOn(handles, 'write').mockImplementation(function (this: unknown, buffer, offset, length) {
    return original.call(this, buffer, offset, Math.min(Number(length), 7))
  })
  expect((await opened.store.put('a', Readable.from([randomBytes(100)]))).bytes).toBe(100)
  expect(await opened.store.size('a')).toBe(100)
})

test('file and folders are synced before a put is done, and a failing sync leaves nothing', async () => {
  await using opened = await open()
  const handles = await fileHandles()
  const sync = vi.spyOn(handles, 'sync')
  await opened.store.put('one/two/three', Readable.from([randomBytes(10)]))
  // The file; blobs/ and blobs/one for the new folders; blobs/one/two for the name.
  expect(sync).toHaveBeenCalledTimes(4)
  for (const failing of [1, 2]) {
    sync.mockReset()
    for (let i = 1; i < failing; i++) sync.mockResolvedValueOnce(undefined)
    sync.mockRejectedValueOnce(failure('EIO'))
    await expect(opened.store.put('one/two/four', Readable.from([randomBytes(10)]))).rejects.toThrow('EIO')
    expect(await opened.residue()).toEqual(['three'])
  }
})

test('what a killed writer left is swept at the next start, what a living one writes is not', async () => {
  await using opened = await open()
  const script = `
    import { Readable } from 'node:stream'
    import { createFileBlobStore } from ${JSON.stringify(path.join(import.meta.dirname, 'files.ts'))}
    const store = await createFileBlobStore(${JSON.stringify(opened.dir)})
    const body = new Readable({ read() {} })
    body.push(Buffer.alloc(1000))
    store.put('never', body)
    setTimeout(() => console.log('writing'), 100)
    setInterval(() => body, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(child.stdout, 'data')
    expect(await opened.residue()).toHaveLength(1)
    await createFileBlobStore(opened.dir)
    expect(await opened.residue()).toHaveLength(1)
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const body = new Readable({ read() {} })
  const put = opened.store.put('ours', body)
  body.push(randomBytes(10))
  while ((await opened.residue()).length < 2) await new Promise((resolve) => setImmediate(resolve))
  await createFileBlobStore(opened.dir)
  expect(await opened.residue()).toHaveLength(1)
  body.push(null)
  await put
  expect(await opened.store.size('ours')).toBe(10)
  expect(await opened.store.size('never')).toBeNull()
})

test('a folder counts in the order of keys as its name with the slash', async () => {
  await using opened = await open()
  const keys = ['d/a/y', 'd/a-1', 'd/a.txt', 'd/a0', 'd/ab', 'd/b/c/e', 'd.x', 'e']
  for (const key of keys) await opened.store.put(key, Readable.from([Buffer.from(key)]))
  const listed = async (prefix: string) => {
    const found: string[] = []
    for await (const { key } of opened.store.list(prefix)) found.push(key)
    return found
  }
  expect(await listed('')).toEqual([...keys].sort())
  expect(await listed('d/a')).toEqual(['d/a-1', 'd/a.txt', 'd/a/y', 'd/a0', 'd/ab'])
  expect(await listed('d/b/c/e')).toEqual(['d/b/c/e'])
})

test('a folder that is gone as a whole is no store without blobs', async () => {
  await using opened = await open()
  await opened.store.put('a', Readable.from([randomBytes(10)]))
  await opened.store.check()
  await rm(opened.dir, { recursive: true })
  await expect(opened.store.size('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(opened.store.get('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(opened.store.localPath('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(opened.store.check()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('a restarted process sweeps what its own pid left before', async () => {
  await using opened = await open()
  await writeFile(path.join(opened.dir, 'incoming', `${process.pid}.another-life.1`), 'x')
  await writeFile(path.join(opened.dir, 'incoming', 'not-of-ours'), 'x')
  await createFileBlobStore(opened.dir)
  expect(await opened.residue()).toEqual([])
})

test('nobody else on the machine can read what is stored', async () => {
  await using opened = await open()
  await opened.store.put('one/file', Readable.from([randomBytes(10)]))
  await using file = await opened.store.localPath('one/file')
  expect((await stat(file.path)).mode & 0o077).toBe(0)
  expect((await stat(path.join(opened.dir, 'blobs'))).mode & 0o077).toBe(0)
})
