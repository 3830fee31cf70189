// What an instance does by itself, as user data of Debian's image (cloud-init runs it once, as root): it arms its own end, fetches
// the sources, checks them, and becomes the workshop. Whatever goes wrong ends it. Its output is its console, so that no
// address is ever printed, and no command either.
import type { Addresses } from '../local/host.ts'
import { sourcesList } from '../local/package-lock.ts'

export interface UserData {
  /** Names where its orders and answers lie; for whoever finds it running. */
  readonly mailbox: string
  /** Presigned. */
  readonly sources: string
  /** Of the archive there, in hex. */
  readonly sha256: string
  /** Presigned. */
  readonly orders: string
  readonly addresses: Addresses
  /** After that it turns itself off, whatever it does. */
  readonly lifeMinutes: number
}

/** Of what the repository's own way needs, and what a first call by HTTPS does. The rest its builder installs itself. */
const PACKAGES = ['ca-certificates', 'curl', 'git', 'nodejs', 'npm', 'openssl']
const MAILBOX = /^MAILBOX='([0-9a-f]+)'$/m

/** @throws Error for what the script could take for something else */
export function userData(of: UserData): string {
  const { mailbox, sources, sha256, orders, addresses, lifeMinutes } = of
  const { mirrors, modelUrl } = addresses
  const quoted = (text: string) => {
    if (/['\\\s]/.test(text)) throw new Error('an address that can’t stand in a script')
    return `'${text}'`
  }
  return `#!/bin/bash
# Makes images of Terrace, and is gone then. What it may read and write are the two addresses below.
systemd-run --quiet --on-active=${lifeMinutes}m --timer-property=AccuracySec=1s systemctl poweroff || shutdown -P +${lifeMinutes}
set -euo pipefail
# What images are made of here is as readable in them as it is here.
umask 022
say() { echo "terrace-builder: $1"; }
ended() {
  code=$?
  trap - EXIT
  say "ended with $code, and turns itself off"
  # What was said last has to be on the console by then.
  sync
  systemctl poweroff
}
trap ended EXIT
# /tmp is in memory there, and disks of machines under test are put where temporary files are.
export HOME=/root DEBIAN_FRONTEND=noninteractive TMPDIR=/var/tmp
export DEBIAN_MIRROR=${quoted(mirrors.main ?? '')} DEBIAN_SECURITY_MIRROR=${quoted(mirrors.security ?? '')}${modelUrl === undefined ? '' : ` MODEL_URL=${quoted(modelUrl)}`}
MAILBOX=${quoted(mailbox)}
SOURCES=${quoted(sources)}
ORDERS=${quoted(orders)}
work='/var/lib/terrace'
apt='/etc/apt'
say "workshop $MAILBOX"
# Only HTTPS goes out of here, and whoever updates by himself is in the way.
systemctl stop apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service unattended-upgrades.service 2>/dev/null || true
# Of what its own apt has: a list of mirrors or an address, whose last word is the archive's name.
own() {
  grep -rhoE "https?://[^[:space:]]+/$1/?([[:space:]]|$)" "$apt/mirrors" "$apt/sources.list" "$apt/sources.list.d" 2>/dev/null |
    sed -E 's#^http:#https:#; s#/?[[:space:]]*$##' | sed -n 1p || true
}
DEBIAN_MIRROR=\${DEBIAN_MIRROR:-$(own debian)}
DEBIAN_SECURITY_MIRROR=\${DEBIAN_SECURITY_MIRROR:-$(own debian-security)}
if [ -z "$DEBIAN_MIRROR" ] || [ -z "$DEBIAN_SECURITY_MIRROR" ]; then
  say "its apt names no mirror: bake with DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR"
  exit 1
fi
rm -rf "$apt/sources.list" "$apt/sources.list.d"
mkdir -p "$apt/sources.list.d" "$work/checkout"
cat > "$apt/sources.list" <<END
${sourcesList({ main: '$DEBIAN_MIRROR', security: '$DEBIAN_SECURITY_MIRROR' })}END
options=(-q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 -o Acquire::Check-Valid-Until=false -o APT::Install-Recommends=false)
say 'packages of Debian'
for try in 1 2 3 4 5; do
  if apt-get "\${options[@]}" --error-on=any update > "$work/apt.log" 2>&1; then break; fi
  if [ "$try" = 5 ]; then tail -n 5 "$work/apt.log"; exit 1; fi
  sleep 10
done
if ! apt-get "\${options[@]}" install ${PACKAGES.join(' ')} > "$work/apt.log" 2>&1; then tail -n 20 "$work/apt.log"; exit 1; fi
say 'sources'
if ! curl --fail --silent --retry 5 --retry-connrefused --max-time 300 --output "$work/sources.tar.gz" --config - <<< "url = \\"$SOURCES\\""; then
  say 'the sources could not be fetched'
  exit 1
fi
if ! printf '%s  %s\\n' ${quoted(sha256)} "$work/sources.tar.gz" | sha256sum --check --status; then
  say 'the sources that came are not those that were sent'
  exit 1
fi
tar --extract --gzip --file "$work/sources.tar.gz" --directory "$work/checkout" --no-same-owner
cd "$work/checkout"
say 'packages of npm'
(umask 077 && echo "$ORDERS" > "$work/orders")
node local/workshop.mjs "$work/orders" "$work/disks"
`
}

/** Where the orders of a machine lie that was started with it; undefined: that was none of ours. */
export const mailboxOf = (text: string): string | undefined => MAILBOX.exec(text)?.[1]
