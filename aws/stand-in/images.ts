// Images of one's own, as they are described. Whoever makes them puts them there.
import type { DescribeImagesCommandInput, Image } from '@aws-sdk/client-ec2'
import { awsError, type Operations } from './service.ts'

/** Small, so that whoever reads one page only is found out. */
const PAGE = 1
const KNOWN = ['Owners', 'Filters', 'IncludeDisabled', 'MaxResults', 'NextToken']

export class Images {
  readonly #images = new Map<string, Image>()

  /** One that is there, and can be started from, but for what is said of it. */
  put(id: string, but: Partial<Image> = {}): void {
    this.#images.set(id, {
      ImageId: id,
      State: 'available',
      Architecture: 'x86_64',
      EnaSupport: true,
      RootDeviceType: 'ebs',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { Encrypted: true, VolumeSize: 8 } }],
      ...but,
    })
  }

  readonly operations: Operations = {
    DescribeImages: (input: DescribeImagesCommandInput) => {
      const unknown = Object.keys(input).filter((name) => !KNOWN.includes(name))
      const { Owners = [], Filters = [], IncludeDisabled = false, NextToken } = input
      if (unknown.length > 0 || Owners.join() !== 'self' || Filters.some(({ Name }) => Name !== 'image-id'))
        throw new Error(
          `The stand-in for EC2 describes images of one’s own by image-id only, without ${unknown.join(', ')}`,
        )
      if (NextToken !== undefined && !/^\d+$/.test(NextToken))
        throw awsError('InvalidParameterValue', `Unable to parse pagination token`)
      const wanted = Filters.flatMap(({ Values = [] }) => Values)
      const found = [...this.#images.values()]
        .filter(({ ImageId = '' }) => Filters.length === 0 || wanted.includes(ImageId))
        .filter(({ State }) => IncludeDisabled || State !== 'disabled')
      const from = Number(NextToken ?? 0)
      const to = from + PAGE
      return { Images: found.slice(from, to), ...(to < found.length && { NextToken: String(to) }) }
    },
  }
}
