// FAISS's addon, compiled in a root of the image's own suite: it is linked against that suite's glibc, libstdc++ and
// OpenBLAS, not against those of the machine that bakes. The commands are those of local/faiss.
import { copyFileSync, cpSync, mkdirSync } from 'node:fs'
import path from 'node:path'

const FAISS = path.resolve(import.meta.dirname, '../../local/faiss')
/** What is compiled, beside the packages of local/faiss/sources. */
const SOURCES = ['fastdist.cc', 'compat.h', 'probe.mjs'] as const
/** Of the packages, what a server loads. */
const LOADED = [
  'faiss-node/lib',
  'faiss-node/package.json',
  'faiss-node/LICENSE',
  'bindings',
  'file-uri-to-path',
] as const
const BINARY = 'faiss-node/build/Release/faiss-node.node'

/** Puts package.json, lock file and sources where `npm ci` and `COMPILE` are to run. */
export function prepareAddonFolder(folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const name of ['package.json', 'package-lock.json'])
    copyFileSync(path.join(FAISS, 'sources', name), path.join(folder, name))
  for (const name of SOURCES) copyFileSync(path.join(FAISS, name), path.join(folder, name))
}

/** For a shell in the root, in that folder, after `npm ci --ignore-scripts`; `./node` is the image's Node. Asks the addon, too. */
export const COMPILE = `
g++ -std=c++17 -O3 -ffast-math -fPIC -c fastdist.cc -o fastdist.o
mkdir -p node_modules/faiss-node/build/Release
g++ -std=c++17 -O3 -fPIC -shared -fopenmp \\
  -DNAPI_VERSION=8 -DNODE_GYP_MODULE_NAME=faiss_node -DBUILDING_NODE_EXTENSION -DNODE_ADDON_API_CPP_EXCEPTIONS_ALL \\
  -include "$PWD/compat.h" -Inode_modules/node-api-headers/include -Inode_modules/node-addon-api \\
  node_modules/faiss-node/src/faiss.cc fastdist.o -o node_modules/${BINARY} \\
  -Wl,-z,muldefs -lfaiss -lopenblas
strip --strip-unneeded node_modules/${BINARY}
./node probe.mjs "$PWD/node_modules/faiss-node"
`

/** What COMPILE has made, into a node_modules folder. */
export function installAddon(folder: string, modules: string): void {
  for (const name of [...LOADED, BINARY])
    cpSync(path.join(folder, 'node_modules', name), path.join(modules, name), {
      recursive: true,
      dereference: true,
    })
}
