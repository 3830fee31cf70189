// Configuration of the Prisma CLI. Where the native schema engine could not be downloaded (closed
// networks, `--ignore-scripts`), the stand-in over Prisma's own WASM build of it answers instead.
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { defineConfig } from 'prisma/config'

const engines = path.join(import.meta.dirname, 'node_modules/@prisma/engines')
const native = existsSync(engines) && readdirSync(engines).some((file) => file.startsWith('schema-engine'))
if (!process.env.PRISMA_SCHEMA_ENGINE_BINARY && !native)
  process.env.PRISMA_SCHEMA_ENGINE_BINARY = path.join(import.meta.dirname, 'prisma/schema-engine.mjs')

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://127.0.0.1:5432/terrace' },
})
