// "Most relevant passages": the answerer that needs no language model. It is always there, and the default when
// nothing else is configured: what it shows are quotes with their sources, never a paraphrase.
// Choosing and quoting them is chat/'s; here is only its entry in the list of models.
import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import type { ModelInfo } from './port.ts'

export const PASSAGES: ModelInfo = {
  id: PASSAGES_MODEL,
  name: 'Most relevant passages',
  provider: 'terrace',
  contextTokens: null,
  price: null,
  available: true,
}
