// The field that a search is typed into. "/" leads to it from anywhere on the page.
import { Search as SearchIcon, X } from 'lucide-react'
import { type FormEvent, useRef, useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { CONTROL_LOOK } from '../../components/ui/input.tsx'
import { cx } from '../../lib/cx.ts'
import { addSentences, t } from '../../lib/t.ts'
import { search } from '../../locales/en/search.ts'
import { useSlash } from './use-slash.ts'

// For both pages that it stands on.
addSentences(search)

export function SearchForm({
  query,
  label,
  placeholder,
  busy,
  onSearch,
}: {
  query: string
  label: string
  placeholder: string
  busy: boolean
  onSearch: (query: string) => void
}) {
  const [text, setText] = useState(query)
  const input = useRef<HTMLInputElement>(null)
  useSlash(() => input.current?.select())
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (text.trim() !== '') onSearch(text.trim())
  }
  return (
    <form onSubmit={submit} className="flex gap-2">
      <div className="relative min-w-0 flex-1">
        <SearchIcon
          aria-hidden
          className="pointer-events-none absolute top-1/2 left-3.5 size-4 -translate-y-1/2 text-ink-soft"
        />
        <input
          ref={input}
          // Not type=search: its own clear button has no label.
          type="text"
          enterKeyHint="search"
          value={text}
          maxLength={2_000}
          // biome-ignore lint/a11y/noAutofocus: the page is there for this field
          autoFocus={query === ''}
          aria-label={label}
          aria-keyshortcuts="/"
          placeholder={placeholder}
          onChange={(event) => setText(event.target.value)}
          className={cx(CONTROL_LOOK, 'h-11 pr-10 pl-10')}
        />
        {text !== '' && (
          <IconButton
            size="small"
            tooltip={false}
            label={t('search.clear')}
            icon={<X className="size-4" />}
            onClick={() => {
              setText('')
              input.current?.focus()
            }}
            className="absolute top-1.5 right-1.5"
          />
        )}
      </div>
      <Button type="submit" kind="primary" busy={busy} className="h-11">
        {t('search.action')}
      </Button>
    </form>
  )
}
