// Bytes become characters: byte order mark, then what an HTML file declares, then UTF-8 where it is valid, then
// what statistics say. Text leaves here fit for PostgreSQL (no NUL, no lone surrogate) and with \n line ends only.
import { TextDecoder } from 'node:util'
import chardet from 'chardet'
import { utf16Of } from './kind.ts'

const SAMPLE = 128 * 1024

/** @param declared an encoding the file itself names, e.g. in a meta element */
export function decodeText(bytes: Buffer, declared?: string): string {
  return cleanText(decoderFor(bytes, declared).decode(bytes))
}

function decoderFor(bytes: Buffer, declared: string | undefined): TextDecoder {
  if (bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
    return new TextDecoder('utf-8')
  const utf16 = utf16Of(bytes.subarray(0, SAMPLE))
  if (utf16 !== null) return new TextDecoder(utf16)
  const own = declared === undefined ? null : decoderNamed(declared)
  if (own !== null && own.encoding !== 'utf-8') return own
  if (isUtf8(bytes)) return new TextDecoder('utf-8')
  // Of the statistics only what is common is believed: short texts are guessed as anything.
  const guess = chardet.detect(highBytes(bytes))
  const decoder = guess === null ? null : decoderNamed(guess)
  if (decoder === null || /^utf-(16|32)/.test(decoder.encoding)) return new TextDecoder('windows-1252')
  return decoder
}

/** windows-1252 is what "ISO-8859-1" means on the web; TextDecoder knows that. */
function decoderNamed(label: string): TextDecoder | null {
  try {
    return new TextDecoder(label)
  } catch {
    return null
  }
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    // Mostly valid: a file cut in the middle of a character, or with a few bad bytes. Those become U+FFFD.
    const text = new TextDecoder('utf-8').decode(bytes)
    let bad = 0
    for (let at = text.indexOf('\ufffd'); at >= 0; at = text.indexOf('\ufffd', at + 1)) bad++
    let wide = 0
    for (let i = 0; i < bytes.length && wide <= bad * 20; i++) if ((bytes[i] ?? 0) >= 0xc2) wide++
    return wide > bad * 20
  }
}

/** The neighbourhood of bytes past ASCII: they are what tells encodings apart, and may come late in a long file. */
function highBytes(bytes: Buffer): Buffer {
  if (bytes.length <= SAMPLE) return bytes
  const first = bytes.findIndex((byte) => byte >= 0x80)
  const start = Math.max(0, Math.min(first - 1024, bytes.length - SAMPLE))
  return bytes.subarray(start, start + SAMPLE)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove
const CONTROL = /[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\ufeff]/g

/** Removes what is not text, makes every line end \n and a form feed an empty line, mends lone surrogates. */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?|\u0085|\u2028/g, '\n')
    .replace(/\f|\u2029/g, '\n\n')
    .replace(CONTROL, '')
    .toWellFormed()
}
