// Which Debian is in an image, and what of it. Both builders read this, so that an image is the same whichever made it.
import type { LaunchData } from '../../contract/launch.ts'

export type Tier = LaunchData['tier']

/** The one constant: another release is another suite here, and nothing else. */
export const SUITE = 'trixie'
export const ARCHITECTURE = 'amd64'
/** What signs the archive; of the Debian package debian-archive-keyring. */
export const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Parts of the archive, below a mirror's `debian` and `debian-security`. */
export const ARCHIVES = [
  { mirror: 'main', suite: SUITE },
  { mirror: 'main', suite: `${SUITE}-updates` },
  { mirror: 'security', suite: `${SUITE}-security` },
] as const

const EVERY_IMAGE = [
  'systemd',
  'systemd-sysv',
  // Grows the root partition over the volume at the first boot.
  'systemd-repart',
  'udev',
  'e2fsprogs',
  'kmod',
  // NVMe and ext4 are built into its kernel: an image needs no initial RAM disk.
  'linux-image-cloud-amd64',
  'iproute2',
  'chrony',
  'ca-certificates',
  // Node's binary is linked against it.
  'libstdc++6',
]

/** What FAISS's addon is linked against; `unshare` and `setpriv`, which parsers are started by, are in every Debian. */
const API_ONLY = ['libgomp1', 'libopenblas0-pthread']

export const packagesOf = (tier: Tier): readonly string[] =>
  tier === 'api' ? [...EVERY_IMAGE, ...API_ONLY] : EVERY_IMAGE

/**
 * What images are made with, in a root of the same suite: native addons are compiled there, and disks are put together by
 * its tools, the same on every machine. Nothing of it is shipped but what it makes.
 */
export const BUILD_PACKAGES: readonly string[] = [
  ...['g++', 'binutils', 'libfaiss-dev', 'libopenblas-dev', ...API_ONLY],
  ...['systemd-boot-efi', 'fdisk', 'dosfstools', 'mtools', 'e2fsprogs', 'erofs-utils'],
]

/** Documentation, translations and manuals stay out; licences stay in. */
export const DPKG_RULES = [
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/info/*',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/lintian/*',
  'path-exclude=/usr/share/bug/*',
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
] as const

/**
 * Seconds since 1970 that files which an image makes itself bear (2026-01-01): two images of the same inputs must not differ by when
 * they were made.
 */
export const EPOCH = 1_767_225_600
