// Where a question is written. Enter sends, Shift+Enter begins a new line, and while an answer is being written
// the send button is the stop button.
import { ArrowUp, Paperclip, Square } from 'lucide-react'
import {
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useEffect,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
} from 'react'
import { LIMITS } from '../../../contract/limits.ts'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Spinner } from '../../components/ui/spinner.tsx'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import { hasFinePointer } from '../source/use-wide.ts'
import { chosenFiles } from '../uploads/dropped-files.ts'

/** Characters before the limit at which it is said. */
const SAY_LIMIT_AT = 500

export interface ComposerHandle {
  focus(): void
}

interface Props {
  text: string
  onText: (text: string) => void
  onSend: () => void
  placeholder: string
  /** A question is on its way: nothing more can be sent. */
  sending: boolean
  /** An answer is being written. */
  answering: boolean
  stopping: boolean
  onStop: () => void
  /** Why nothing can be asked now; the words are kept. */
  blocked?: string | null
  onFiles: (files: File[]) => void
  /** Files of the chat, above the text. */
  files?: ReactNode
  /** Scope and model, below the text. */
  controls: ReactNode
  /** The page is there for writing a question. */
  autoFocus?: boolean
  ref?: Ref<ComposerHandle>
}

export function Composer(props: Props) {
  const { text, onText, onSend, sending, answering, blocked, onFiles, ref } = props
  const area = useRef<HTMLTextAreaElement>(null)
  const fileInput = useRef<HTMLInputElement>(null)
  const hintId = useId()
  const left = LIMITS.questionLength - text.length
  const canSend = text.trim() !== '' && left >= 0 && !sending && !answering && !blocked

  const wantsFocus = props.autoFocus === true
  useEffect(() => {
    if (wantsFocus && hasFinePointer()) area.current?.focus({ preventScroll: true })
  }, [wantsFocus])
  useImperativeHandle(ref, () => ({ focus: () => area.current?.focus() }), [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const element = area.current
    if (element === null) return
    element.style.height = 'auto'
    element.style.height = `${element.scrollHeight}px`
  }, [text])

  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (canSend) onSend()
  }
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // While an input method composes, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    if (canSend) onSend()
  }

  return (
    <form
      onSubmit={submit}
      className={cx(
        'rounded-2xl border border-line-strong/50 bg-surface shadow-soft transition-colors',
        'focus-within:border-accent',
      )}
    >
      {props.files}
      <textarea
        ref={area}
        value={text}
        rows={1}
        aria-label={t('chat.composer')}
        aria-describedby={hintId}
        aria-invalid={left < 0}
        placeholder={props.placeholder}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          const files = [...event.clipboardData.files]
          if (files.length === 0) return
          event.preventDefault()
          onFiles(files)
        }}
        // 16 px: smaller text makes a phone zoom in.
        className="block max-h-[40dvh] w-full resize-none bg-transparent px-4 pt-3.5 pb-1 text-base outline-none placeholder:text-ink-soft"
      />
      <div className="flex items-center gap-1 p-2">
        <input
          ref={fileInput}
          type="file"
          multiple
          hidden
          aria-label={t('chat.attach')}
          onChange={(event) => {
            const files = chosenFiles(event.target.files)
            event.target.value = ''
            if (files.length > 0) onFiles(files)
          }}
        />
        <IconButton
          size="small"
          label={t('chat.attach')}
          icon={<Paperclip className="size-4" />}
          onClick={() => fileInput.current?.click()}
        />
        <div className="flex min-w-0 flex-1 items-center gap-1">{props.controls}</div>
        {left <= SAY_LIMIT_AT && (
          <span
            role="status"
            className={cx(
              'px-1 text-xs tabular-nums',
              left < 0 ? 'font-semibold text-danger' : 'text-ink-soft',
            )}
          >
            {left < 0 ? t('chat.tooLong', { count: -left }) : t('chat.left', { count: left })}
          </span>
        )}
        {answering ? (
          <SendButton
            label={props.stopping ? t('chat.stopping') : t('chat.stop')}
            type="button"
            disabled={props.stopping}
            onClick={props.onStop}
            icon={props.stopping ? <Spinner /> : <Square className="size-3.5 fill-current" />}
          />
        ) : (
          <SendButton
            label={t('chat.send')}
            type="submit"
            disabled={!canSend}
            icon={sending ? <Spinner /> : <ArrowUp className="size-[1.125rem]" />}
          />
        )}
      </div>
      <span id={hintId} className="sr-only">
        {blocked ?? t('chat.keys')}
      </span>
    </form>
  )
}

function SendButton({
  label,
  icon,
  type,
  disabled,
  onClick,
}: {
  label: string
  icon: ReactNode
  type: 'button' | 'submit'
  disabled: boolean
  onClick?: () => void
}) {
  return (
    <button
      type={type}
      aria-label={label}
      title={label}
      // Not `disabled`: the focus stays where it is when the words change.
      aria-disabled={disabled}
      onClick={disabled && type === 'button' ? undefined : onClick}
      className={cx(
        'inline-flex size-9 shrink-0 items-center justify-center rounded-full transition-colors',
        disabled ? 'bg-sunken text-ink-soft' : 'bg-accent text-on-accent hover:bg-accent-hover',
      )}
    >
      {icon}
    </button>
  )
}
