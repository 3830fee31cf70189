/** Whether a value refers to a resource: by `Ref`, by `Fn::GetAtt`, or as `${…}` in a text. */
export function mentions(value: unknown, id: string): boolean {
  const text = JSON.stringify(value) ?? ''
  return [`"Ref":"${id}"`, `"Fn::GetAtt":["${id}",`, `\${${id}}`, `\${${id}.`].some((form) =>
    text.includes(form),
  )
}

/** The same text for the same value, in whatever order its keys stand. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
