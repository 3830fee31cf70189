import Link from 'next/link'
import { t } from '../../lib/t.ts'

export function LogoMark({ className = 'size-7' }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" className={className}>
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <path
        d="M6 12.5c3.4-2.6 6.6-2.6 10 0s6.6 2.6 10 0M6 18.5c3.4-2.6 6.6-2.6 10 0s6.6 2.6 10 0M6 24.5c3.4-2.6 6.6-2.6 10 0s6.6 2.6 10 0"
        className="fill-none stroke-on-accent"
        strokeWidth="2.2"
        strokeLinecap="round"
      />
    </svg>
  )
}

export const Logo = () => (
  <Link
    href="/"
    prefetch={false}
    className="flex items-center gap-2.5 rounded-lg px-1 py-1 text-[1.0625rem] font-semibold"
  >
    <LogoMark />
    {t('app.name')}
  </Link>
)
