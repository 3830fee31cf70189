import { z } from 'zod'
import { KEY_SCOPES } from '../../../../contract/stages.ts'

export const keyScope = z.enum(KEY_SCOPES)
