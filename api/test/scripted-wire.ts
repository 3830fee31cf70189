// How the scripted model (scripted-model.ts) is asked and answers, apart from what it says and when.
import type { IncomingMessage } from 'node:http'
import type { Knobs } from './scripted-knobs.ts'

export interface Asked {
  readonly model: string
  readonly messages: readonly { role: string; content: string }[]
  readonly maxTokens: number | null
  readonly stream: boolean
}

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/** Secret of an access key with this session token (empty for none); null when there is no such key. */
export type AwsKeys = (accessKeyId: string, sessionToken: string) => string | 'expired' | null

export interface Wire {
  /** Paths that are asked in this way. */
  readonly serves: RegExp
  readonly contentType: string
  /** Null for a request that is let in. */
  refusal(message: IncomingMessage, body: string, aws: AwsKeys | undefined): Reply | null
  asked(message: IncomingMessage, body: Readonly<Record<string, unknown>>): Asked
  token(model: string, text: string): string | Uint8Array
  thought(model: string, text: string): string | Uint8Array
  /** Of an answer that was said to its end; `terse`: without what a server may leave out. */
  end(request: Asked & { readonly sent: number }, terse: boolean): string | Uint8Array
  error(status: number, knobs: Knobs): Reply
  errorEvent(status: number): string | Uint8Array
  readonly garbage: string | Uint8Array
}
