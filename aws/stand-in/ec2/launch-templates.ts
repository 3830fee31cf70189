// Launch templates, as far as they name images.
import type {
  DescribeLaunchTemplatesCommandInput,
  DescribeLaunchTemplateVersionsCommandInput,
} from '@aws-sdk/client-ec2'
import { awsError, type Operations } from '../service.ts'
import { pageOf } from './listing.ts'

export class LaunchTemplates {
  /** Images by the versions' order, the first version being 1. */
  readonly all = new Map<string, readonly string[]>()

  readonly operations: Operations = {
    DescribeLaunchTemplates: (input: DescribeLaunchTemplatesCommandInput) => {
      const { page, next } = pageOf([...this.all.keys()], input)
      return { LaunchTemplates: page.map((LaunchTemplateId) => ({ LaunchTemplateId })), ...next }
    },
    DescribeLaunchTemplateVersions: (input: DescribeLaunchTemplateVersionsCommandInput) => {
      const images = this.all.get(input.LaunchTemplateId ?? '')
      if (images === undefined)
        throw awsError('InvalidLaunchTemplateId.NotFound', 'The specified launch template does not exist.')
      const { page, next } = pageOf([...images.entries()], input)
      return {
        LaunchTemplateVersions: page.map(([index, ImageId]) => ({
          LaunchTemplateId: input.LaunchTemplateId,
          VersionNumber: index + 1,
          LaunchTemplateData: { ImageId },
        })),
        ...next,
      }
    },
  }
}
