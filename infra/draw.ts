// `npm run diagram`: writes what docs/ shows of the stack, from the stages as the table has them.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { documents } from './documents.ts'

const ROOT = path.dirname(import.meta.dirname)
for (const [file, text] of documents((name) => readFileSync(path.join(ROOT, name), 'utf8'))) {
  writeFileSync(path.join(ROOT, file), text)
  console.log(file)
}
