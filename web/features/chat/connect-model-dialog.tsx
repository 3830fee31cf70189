// How to connect a language model, in one step.
import { Check, Copy } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { addSentences, t } from '../../lib/t.ts'
import { connectModel as sentences } from '../../locales/en/connect-model.ts'

addSentences(sentences)

const OLLAMA = 'ollama run llama3.2'
const OTHER = `MODEL_KEY=… MODELS='[{"id":"mine","name":"My model","type":"openai-compatible","url":"https://HOST/v1","model":"NAME","key":"env:MODEL_KEY"}]' npm start`

export default function ConnectModelDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} wide title={t('chat.connectTitle')} closeLabel={t('connect.done')}>
      <div className="space-y-5 text-[0.9375rem]">
        <section>
          <h3 className="font-semibold">{t('connect.ollama')}</h3>
          <p className="mt-1 text-ink-soft">{t('connect.ollamaText')}</p>
          <Command text={OLLAMA} />
        </section>
        <section>
          <h3 className="font-semibold">{t('connect.other')}</h3>
          <p className="mt-1 text-ink-soft">{t('connect.otherText')}</p>
          <Command text={OTHER} />
        </section>
      </div>
      <DialogActions>
        <Button kind="primary" onClick={onClose}>
          {t('connect.done')}
        </Button>
      </DialogActions>
    </Dialog>
  )
}

function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
      setTimeout(() => setCopied(false), 2_000)
    } catch {
      showToast(t('answer.copyFailed'), 'failed')
    }
  }
  return (
    <div className="mt-2 flex items-start gap-1 rounded-lg border border-line bg-sunken py-1 pr-1 pl-3">
      <code className="min-w-0 flex-1 py-1.5 font-mono text-[0.8125rem] break-all whitespace-pre-wrap">
        {text}
      </code>
      <IconButton
        size="small"
        label={copied ? t('answer.copied') : t('connect.copy')}
        icon={copied ? <Check className="size-4 text-accent" /> : <Copy className="size-4" />}
        onClick={copy}
      />
    </div>
  )
}
