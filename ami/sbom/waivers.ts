// Packages of npm that ship although their licence is not among those that anybody may use for anything, and why that is
// right all the same. Packages of Debian are listed only: Debian has looked at their licences.
export interface LicenceWaiver {
  /** Name in npm, of whichever version. */
  readonly package: string
  /** As the SBOM says it. */
  readonly licence: string
  readonly reason: string
}

export const LICENCE_WAIVERS: readonly LicenceWaiver[] = [
  {
    package: '@img/sharp-libvips-linux-x64',
    licence: 'LGPL-3.0-or-later',
    reason:
      'A shared library that lies in the image as its authors have built it, beside its licence: whoever runs the image can replace it.',
  },
  {
    package: 'duck',
    licence: 'BSD',
    reason: 'Its file LICENSE is the text of BSD-2-Clause.',
  },
]
