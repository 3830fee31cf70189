// The Parameter Store.
import type {
  DeleteParameterCommandInput,
  GetParameterCommandInput,
  GetParametersByPathCommandInput,
  PutParameterCommandInput,
} from '@aws-sdk/client-ssm'
import { awsError, type Operations } from './service.ts'

interface Parameter {
  readonly Value: string
  readonly Type: string
  readonly Version: number
}
/** The largest, and the usual one. */
const PAGE = 10
/** Characters of a value, of a standard parameter. */
const LONGEST = 4_096

export class Parameters {
  readonly #parameters = new Map<string, Parameter>()

  readonly operations: Operations = {
    PutParameter: (input: PutParameterCommandInput) => {
      const { Name: name = '', Value: value = '', Type: type = 'String' } = input
      if (value.length > LONGEST)
        throw awsError(
          'ValidationException',
          `Standard tier parameters support a maximum parameter value of ${LONGEST} characters.`,
        )
      const was = this.#parameters.get(name)
      if (was !== undefined && input.Overwrite !== true)
        throw awsError('ParameterAlreadyExists', 'The parameter already exists.')
      const Version = (was?.Version ?? 0) + 1
      this.#parameters.set(name, { Value: value, Type: type, Version })
      return { Version }
    },
    GetParameter: ({ Name: name = '' }: GetParameterCommandInput) => {
      const found = this.#parameters.get(name)
      if (found === undefined) throw awsError('ParameterNotFound', '')
      return { Parameter: { Name: name, ...found } }
    },
    GetParametersByPath: (input: GetParametersByPathCommandInput) => {
      const { MaxResults: limit = PAGE } = input
      if (limit < 1 || limit > PAGE)
        throw awsError('ValidationException', `Value ${limit} at 'maxResults' is not from 1 to ${PAGE}`)
      const folder = `${input.Path?.replace(/\/$/, '')}/`
      const names = [...this.#parameters.keys()]
        .filter((name) => name.startsWith(folder))
        .filter((name) => input.Recursive === true || !name.slice(folder.length).includes('/'))
        .filter((name) => name > (input.NextToken ?? ''))
        .sort()
      const page = names.slice(0, limit)
      return {
        Parameters: page.map((Name) => ({ Name, ...this.#parameters.get(Name) })),
        ...(names.length > page.length && { NextToken: page.at(-1) }),
      }
    },
    DeleteParameter: ({ Name: name = '' }: DeleteParameterCommandInput) => {
      if (!this.#parameters.delete(name)) throw awsError('ParameterNotFound', '')
      return {}
    },
  }
}
