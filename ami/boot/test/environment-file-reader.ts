// systemd's reading of an EnvironmentFile=, written down from systemd.exec(5) and the states of its reader
// (src/basic/env-file.c): what our file means to it. Checked against systemd 252's own reader.
type State =
  | 'before-key'
  | 'key'
  | 'before-value'
  | 'value'
  | 'value-escape'
  | 'single'
  | 'double'
  | 'double-escape'
  | 'comment'
  | 'comment-escape'

const isSpace = (c: string) => c === ' ' || c === '\t' || c === '\n' || c === '\r'
const isNewline = (c: string) => c === '\n' || c === '\r'
/** SHELL_NEED_ESCAPE */
const NEEDS_ESCAPE = '"\\`$'

export function readEnvironmentFile(text: string): Record<string, string> {
  const found: Record<string, string> = {}
  let state: State = 'before-key'
  let key = ''
  let value = ''
  /** Up to where the value stays when its end is trimmed. */
  let kept = 0
  const push = () => {
    if (key.trim() !== '') found[key.trim()] = value.slice(0, kept)
    key = ''
    value = ''
    kept = 0
  }
  const add = (c: string, trims = false) => {
    value += c
    if (!trims) kept = value.length
  }
  for (const c of text) {
    switch (state) {
      case 'before-key':
        if (c === '#' || c === ';') state = 'comment'
        else if (!isSpace(c)) {
          state = 'key'
          key = c
        }
        break
      case 'key':
        if (isNewline(c)) {
          state = 'before-key'
          key = ''
        } else if (c === '=') state = 'before-value'
        else key += c
        break
      case 'before-value':
      case 'value':
        if (isNewline(c)) {
          state = 'before-key'
          push()
        } else if (state === 'before-value' && c === "'") state = 'single'
        else if (state === 'before-value' && c === '"') state = 'double'
        else if (c === '\\') state = 'value-escape'
        else if (!(state === 'before-value' && isSpace(c))) {
          state = 'value'
          add(c, isSpace(c))
        }
        break
      case 'value-escape':
        state = 'value'
        if (!isNewline(c)) add(c)
        break
      case 'single':
        if (c === "'") state = 'before-value'
        else add(c)
        break
      case 'double':
        if (c === '"') state = 'before-value'
        else if (c === '\\') state = 'double-escape'
        else add(c)
        break
      case 'double-escape':
        state = 'double'
        if (NEEDS_ESCAPE.includes(c)) add(c)
        else if (c !== '\n') add(`\\${c}`)
        break
      case 'comment':
        if (c === '\\') state = 'comment-escape'
        else if (isNewline(c)) state = 'before-key'
        break
      case 'comment-escape':
        state = 'comment'
        break
    }
  }
  if (state !== 'before-key' && state !== 'key' && state !== 'comment') push()
  return found
}
