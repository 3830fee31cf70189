import { type ReactNode, useId } from 'react'

interface Props {
  label: string
  hint?: ReactNode
  error?: string | null | undefined
  optional?: string
  children: (attributes: {
    id: string
    'aria-describedby': string | undefined
    'aria-invalid': true | undefined
  }) => ReactNode
}

/** A label, its control, a hint and what is wrong with it, tied together for screen readers. */
export function Field({ label, hint, error, optional, children }: Props) {
  const id = useId()
  // What is wrong says more than the hint did, and stands in its place.
  const shown = error ? null : hint
  const describedBy = [shown ? `${id}-hint` : null, error ? `${id}-error` : null].filter(Boolean).join(' ')
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
        {optional && <span className="ml-1.5 font-normal text-ink-soft">{optional}</span>}
      </label>
      {children({
        id,
        'aria-describedby': describedBy || undefined,
        'aria-invalid': error ? true : undefined,
      })}
      {shown && (
        <p id={`${id}-hint`} className="text-sm text-ink-soft">
          {shown}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} role="alert" className="text-sm text-danger">
          {error}
        </p>
      )}
    </div>
  )
}
