import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { t } from '../../lib/t.ts'
import { Button } from './button.tsx'
import { showToast } from './toast.tsx'

/** Copies a text. Without the clipboard, as on plain http, it shows the text to be copied by hand. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 2_000)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
    } catch {
      showToast(text)
    }
  }
  return (
    <Button
      size="small"
      aria-label={label}
      icon={copied ? <Check aria-hidden className="size-4" /> : <Copy aria-hidden className="size-4" />}
      onClick={() => void copy()}
    >
      {t(copied ? 'action.copied' : 'action.copy')}
      <span role="status" className="sr-only">
        {copied && t('action.copied')}
      </span>
    </Button>
  )
}
