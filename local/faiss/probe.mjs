// Loads the faiss-node in the folder given and asks it a question. In a process of its own: a broken binary aborts.
import { createRequire } from 'node:module'
import path from 'node:path'

const folder = path.resolve(process.argv[2] ?? '')
const faiss = createRequire(path.join(folder, 'package.json'))(folder)
const index = new faiss.IndexFlatIP(4)
index.add([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.6, 0.8])
const { labels, distances } = index.search([0, 0, 1, 0], 2)
const right = labels[0] === 2 && Math.abs(distances[0] - 0.6) < 1e-6
process.exit(right ? 0 : 1)
