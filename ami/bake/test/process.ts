// A bake in a process of its own, which a test may kill: `node process.ts FOLDER ADDRESS`. Journals, locks and disks are as always; the
// account is a stand-in that is asked over HTTP (far.ts).
import { bake } from '../bake.ts'
import { farAway } from './far.ts'
import { kitchenOf, LINE } from './kitchen.ts'

const [folder = '', address = ''] = process.argv.slice(2)
const { aws, tell } = farAway(address)
const baked = await bake({ ...LINE, bootTest: 'ec2' }, kitchenOf(folder, aws, tell))
process.stdout.write(JSON.stringify(baked))
