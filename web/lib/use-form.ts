// The one way forms work here: checked on submit, the first wrong field gets focus, each error goes away as its
// field is changed, and while the work is under way nothing is sent twice.
import { type FormEvent, useRef, useState } from 'react'
import type { Failure } from './errors.ts'

type Check = (value: string) => string | null

interface Options<Name extends string> {
  /** One for every field by the `name` of its control. */
  checks: Record<Name, Check>
  /** Resolves to what went wrong, or null. */
  submit: (values: Record<Name, string>) => Promise<Failure | null>
  /** The field that a failure is about, so that it is said there. */
  fieldOf?: (failure: Failure) => Name | null
}

export function useForm<Name extends string>({ checks, submit, fieldOf }: Options<Name>) {
  const [errors, setErrors] = useState<Partial<Record<Name, string>>>({})
  const [failure, setFailure] = useState<Failure | null>(null)
  const [busy, setBusy] = useState(false)
  const running = useRef(false)
  const names = Object.keys(checks) as Name[]

  const complain = (form: HTMLFormElement, found: Partial<Record<Name, string>>) => {
    setErrors(found)
    const first = names.find((name) => found[name] !== undefined)
    const control = first === undefined ? null : form.elements.namedItem(first)
    if (control instanceof HTMLElement) control.focus()
  }

  const onSubmit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (running.current) return
    const form = event.currentTarget
    const data = new FormData(form)
    const values = {} as Record<Name, string>
    const found: Partial<Record<Name, string>> = {}
    for (const name of names) {
      values[name] = String(data.get(name) ?? '')
      const error = checks[name](values[name])
      if (error !== null) found[name] = error
    }
    setFailure(null)
    complain(form, found)
    if (Object.keys(found).length > 0) return
    running.current = true
    setBusy(true)
    try {
      const failed = await submit(values)
      const field = failed === null ? null : (fieldOf?.(failed) ?? null)
      if (failed !== null && field !== null) {
        complain(form, { [field]: failed.message } as Partial<Record<Name, string>>)
      } else setFailure(failed)
    } finally {
      running.current = false
      setBusy(false)
    }
  }

  const onChange = (event: FormEvent<HTMLFormElement>) => {
    const name = 'name' in event.target ? event.target.name : undefined
    if (names.some((each) => each === name && errors[each] !== undefined)) {
      setErrors(Object.fromEntries(Object.entries(errors).filter(([each]) => each !== name)) as typeof errors)
    }
  }

  return {
    busy,
    failure,
    error: (name: Name): string | null => errors[name] ?? null,
    /** For the <form>; the browser's own bubbles are off, they are neither translated nor read out well. */
    form: { onSubmit, onChange, noValidate: true },
  }
}
