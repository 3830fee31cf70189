import { LoaderCircle } from 'lucide-react'
import { cx } from '../../lib/cx.ts'

export function Spinner({ className }: { className?: string }) {
  return (
    <LoaderCircle aria-hidden className={cx('size-4 animate-spin motion-reduce:animate-none', className)} />
  )
}
