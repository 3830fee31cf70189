import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { standIn } from '../../aws/stand-in/stand-in.ts'
import { STAGES } from '../stages.ts'
import { apply } from './apply.ts'
import { Interrupted } from './interrupt.ts'
import { API, changed, images, NONE, Operator, SET, staging, TABLE, WEB } from './operator.ts'
import { CLOSED } from './policy.ts'
import { ACCOUNT, BUCKET } from './rehearsal.ts'

let operator: Operator
beforeEach(() => {
  operator = new Operator()
})
const around = (answer: string | undefined, table = TABLE) => operator.around(answer, table)
const operations = () => operator.world.calls.map(({ operation }) => operation)

describe('apply', () => {
  test('a protected stage: made without servers, then with them, and locked as far as there is something to lose', async () => {
    expect(await apply(staging(...NONE), around('staging'))).toBe(0)
    expect(operator.questions).toEqual(['Type staging to do it: '])
    expect(operator.printed).toMatch(
      /resources\n(.|\n)*\+ .*Database \(AWS::RDS::DBInstance\)(.|\n)*The stack is new\.(.|\n)*Done\./,
    )
    const stack = operator.world.stacks.find('terrace-staging')
    expect([stack?.status, stack?.isProtected]).toEqual(['CREATE_COMPLETE', false])
    expect(stack?.policy).toContain('"Deny"')
    expect(stack?.tags).toEqual([
      { Key: 'service', Value: 'terrace' },
      { Key: 'stage', Value: 'staging' },
    ])
    expect(stack?.roleArn).toBe(`arn:aws:iam::${ACCOUNT}:role/terrace-cloudformation-eu-west-1`)
    expect(await apply(staging('--yes'), around(undefined))).toBe(0)
    expect([stack?.status, stack?.isProtected]).toEqual(['UPDATE_COMPLETE', true])
    expect(operator.world.groups.groups.size).toBe(2)
    expect(await apply(staging(), around(''))).toBe(0)
    expect(operator.printed).toMatch(/Nothing to change: the stack is as the template has it\.\n$/)
  })

  test('not with servers at once: what is locked could not be taken back', async () => {
    expect(await apply(staging('--yes'), around(undefined))).toBe(1)
    expect(operator.printed).toContain('made without servers first: --param fleet=none')
    expect(operations()).not.toContain('ExecuteChangeSet')
    expect(operator.world.stacks.find('terrace-staging')?.deletedAt).toBeDefined()
  })

  test('dev has no locks', async () => {
    expect(await apply(['--stage', 'dev', ...images(), '--yes'], around(undefined))).toBe(0)
    const stack = operator.world.stacks.find('terrace-dev')
    expect([stack?.status, stack?.policy, stack?.isProtected]).toEqual(['CREATE_COMPLETE', undefined, false])
  })

  test.each(['', 'stagin', 'yes', 'prod'])(
    'any other answer than the stage’s name changes nothing: %j',
    async (answer) => {
      expect(await apply(staging(...NONE), around(answer))).toBe(1)
      expect(operator.printed).toMatch(/Nothing was changed\.\n$/)
      expect(operations()).not.toContain('ExecuteChangeSet')
    },
  )

  test('before anything is asked of AWS: the example’s account, no terminal, no images', async () => {
    expect(await apply(staging(...NONE, '--yes'), around(undefined, STAGES))).toBe(1)
    expect(operator.printed).toContain('example’s account')
    expect(await apply(staging(...NONE), around(undefined))).toBe(1)
    expect(operator.printed).toContain('There is no terminal to ask on')
    expect(await apply(['--stage', 'staging', ...images('none'), '--yes'], around(undefined))).toBe(1)
    expect(operator.world.calls).toEqual([])
  })

  test.for<[string[], string]>([
    [['--stag', 'staging', '--yes'], "Unknown option '--stag'"],
    [['--yes'], '--stage: there is dev, staging, prod.'],
    [['--stage', 'dev', '--param', 'image=candidate', '--yes'], '--param image: there is images,'],
    [['--stage', 'dev', '--allow-replace', '--yes'], "Option '--allow-replace' argument is ambiguous"],
    [['--stage', 'dev', '--allow-replaced', 'Database', '--yes'], "Unknown option '--allow-replaced'"],
    [['--stage', 'dev', '--deployed', '--yes'], "Unknown option '--deployed'"],
    [['--stage', 'dev', '--dry-run', '--yes'], "Unknown option '--dry-run'"],
    // What `npm run apply --stage staging` leaves of it: npm keeps the option for itself.
    [['staging', '--yes'], "Unexpected argument 'staging'"],
  ])('%j: nothing is done to another stage, or in another way, than was meant', async ([args, words]) => {
    expect(await apply([...args, ...images()], around(undefined))).toBe(1)
    expect(operator.printed).toContain(words)
    expect(operations()).toEqual([])
  })

  test('another account: nothing but who one is was asked', async () => {
    operator = new Operator(standIn('999988887777'))
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(operator.printed).toContain(`Stage staging belongs to account ${ACCOUNT}`)
    expect(operations()).toEqual(['GetCallerIdentity'])
  })

  test('what would lose data ends with another code, until it is named', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    const table = changed('staging', { multiAz: false, replica: false })
    expect(await apply(staging(...NONE, '--yes'), around(undefined, table))).toBe(2)
    expect(operator.printed).toMatch(
      /Database holds data, and may be made anew(.|\n)*--allow-replace Database\n$/,
    )
    expect(
      await apply(staging(...NONE, '--yes', '--allow-replace', 'Database'), around(undefined, table)),
    ).toBe(0)
  })

  test('a pipeline changes servers with its own role, and nothing that holds data: a person does', async () => {
    const inPipeline = (table = TABLE) => {
      const { aws } = operator.world
      const Arn = `arn:aws:sts::${ACCOUNT}:assumed-role/terrace-ci-eu-west-1/run-1`
      const sts = { send: async () => ({ Account: ACCOUNT, Arn, UserId: 'AROAEXAMPLE:run-1' }) }
      return {
        ...around(undefined, table),
        connect: () => ({ ...aws, sts: sts as unknown as typeof aws.sts }),
      }
    }
    const stack = () => operator.world.stacks.find('terrace-staging')
    expect(await apply(staging(...NONE, '--yes'), inPipeline())).toBe(1)
    expect(operator.printed).toMatch(/no stack yet.* the first deployment is a person’s/)
    expect(operations().filter((one) => /ChangeSet|PutObject/.test(one))).toEqual([])
    await apply(staging(...NONE, '--yes'), around(undefined))
    await apply(staging('--yes'), around(undefined))
    const fleet = (max: number) => {
      const table = JSON.parse(JSON.stringify(TABLE))
      table.staging.api.max = max
      return table
    }
    expect(await apply(staging('--yes'), inPipeline(fleet(7)))).toBe(0)
    expect(stack()?.roleArn).toBe(`arn:aws:iam::${ACCOUNT}:role/terrace-cloudformation-ci-eu-west-1`)
    const larger = JSON.parse(JSON.stringify(changed('staging', { storageGiB: 40 })))
    larger.staging.api.max = 7
    const executed = () => operations().filter((one) => one === 'ExecuteChangeSet').length
    const before = executed()
    expect(await apply(staging('--yes'), inPipeline(larger))).toBe(1)
    expect(operator.printed).toMatch(/this plan does: Database \(AWS::RDS::DBInstance\)/)
    expect(operator.printed).toMatch(
      /Let a person with the deploy role run it: npm run apply -- --stage staging\n$/,
    )
    expect(executed()).toBe(before)
    expect(await apply(staging('--yes'), around(undefined, larger))).toBe(0)
    expect(stack()?.roleArn).toBe(`arn:aws:iam::${ACCOUNT}:role/terrace-cloudformation-eu-west-1`)
  })

  test('images that nothing can start from, or that are not meant, stop it before anything is planned', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    const from = operations().length
    operator.world.compute.images.put(API, { State: 'disabled' })
    expect(await apply(staging('--yes'), around(undefined))).toBe(1)
    expect(operator.printed).toMatch(/for API servers of staging, is disabled/)
    operator.pointTo('staging', { ...SET, inputs: 'f'.repeat(64), release: 'next' })
    expect(await apply(staging('--yes'), around(undefined))).toBe(1)
    expect(operator.printed).toMatch(
      /npm run images:pull -- --stage staging --choice live --folder .* fetches that/,
    )
    expect(
      operations()
        .slice(from)
        .filter((one) => /ChangeSet|Policy|Template|PutObject/.test(one)),
    ).toEqual([])
    // Without servers nothing is started from them.
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(0)
  })

  test('what is live moves while a person thinks: nothing is carried out', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    const from = operations().length
    const moving = {
      ...around('staging'),
      ask: async () => {
        operator.pointTo('staging', { ...SET, inputs: 'f'.repeat(64), release: 'next' })
        return 'staging'
      },
    }
    expect(await apply(staging(), moving)).toBe(1)
    expect(operator.printed).toContain('in the state bucket of eu-west-1 it is release next')
    expect(operations().slice(from)).toContain('DeleteChangeSet')
    expect(operations().slice(from)).not.toContain('ExecuteChangeSet')
  })

  test('what went wrong is told apart from the rest, and moves no cursor', async () => {
    let complained = ''
    const reason = 'gone\u001b[2J\u202eno'
    operator.world.stacks.execution.failures.push({ id: 'Database', on: 'create', reason })
    const complain = (text: string) => {
      complained += text
    }
    expect(await apply(staging(...NONE, '--yes'), { ...around(undefined), complain })).toBe(1)
    expect(complained).toContain('First to fail: Database: gone\\u{1b}[2J\\u{202e}no')
    expect(operator.printed).toContain('gone\\u{1b}[2J')
    expect(operator.printed).not.toContain('\u001b')
    expect(operator.printed).not.toContain('First to fail')
  })

  test('an image that is past its time is said, and no more', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    operator.world.compute.images.put(WEB, { DeprecationTime: '2020-01-01T00:00:00Z' })
    expect(await apply(staging('--yes'), around(undefined))).toBe(0)
    expect(operator.printed).toMatch(/for web servers of staging, has been deprecated since 2020-01-01/)
  })

  test('a failure is told, and the process knows', async () => {
    const reason = 'no capacity\n  Next: curl example.org | sh'
    operator.world.stacks.execution.failures.push({ id: 'Database', on: 'create', reason })
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(operator.printed).toMatch(
      /could not be made(.|\n)*First to fail: Database: no capacity(.|\n)*Next: /,
    )
    // Neither there nor among the events.
    expect(operator.printed).not.toMatch(/^\s*Next: curl/m)
    operator.world.faults.add({
      operation: 'CreateChangeSet',
      error: FAULTS.denied('cloudformation:CreateChangeSet'),
    })
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(1)
    expect(operator.printed).toMatch(/Deployer\/jo may not cloudformation:CreateChangeSet/)
  })
})

describe('one operator at a time', () => {
  const lock = () => operator.world.buckets.text(BUCKET, 'stages/staging/lock.json')

  test('a second apply is told who is at it, and can take over, which shows from whom', async () => {
    const second = new Operator(operator.world)
    const { ask: _, ...first } = around('staging')
    const ended = await apply(staging(...NONE), {
      ...first,
      ask: async () => {
        expect(await apply(staging(...NONE, '--yes'), second.around(undefined))).toBe(1)
        expect(second.printed).toMatch(
          /Somebody else is at work on stage staging: npm run apply of arn:.*Deployer\/jo(.|\n)*--take-over-lock/,
        )
        expect(second.printed).not.toContain('resources\n')
        expect(await apply(staging(...NONE, '--yes', '--take-over-lock'), second.around(undefined))).toBe(0)
        expect(second.printed).toContain('The lock of another run is taken over: npm run apply of arn:')
        return 'staging'
      },
    })
    expect(ended).toBe(1)
    expect(operator.printed).toMatch(/The lock of stage staging was taken from this run(.|\n)*Next: /)
    expect(operator.printed).not.toContain('Done.')
    expect(lock()).toBeUndefined()
    expect(operations().filter((operation) => operation === 'ExecuteChangeSet')).toHaveLength(1)
  })

  test('a person who thinks for hours has the whole time left to follow it', async () => {
    const thinking = {
      ...around('staging'),
      ask: async () => {
        await operator.world.clock.sleep(48 * 3_600_000)
        return 'staging'
      },
    }
    expect(await apply(staging(...NONE), thinking)).toBe(0)
    expect(operator.printed).toMatch(/Done\.\n$/)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends it with code %d, the stage’s lock given back', async (signal, code) => {
    operator.world.clock.after(120_000, () => operator.stop.abort(new Interrupted(signal)))
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(code)
    expect(operator.printed).toMatch(
      new RegExp(
        `is CREATE_IN_PROGRESS: AWS goes on(.|\\n)*Ended by ${signal}: nothing more is done from here`,
      ),
    )
    expect(lock()).toBeUndefined()
    operator = new Operator(operator.world)
    expect(await apply(staging(...NONE, '--yes'), around(undefined))).toBe(0)
    expect(operator.printed).toMatch(/CREATE_COMPLETE(.|\n)*Nothing to change/)
  })

  test('what was changed and could not be locked is said, and locked by the next run', async () => {
    await apply(staging(...NONE, '--yes'), around(undefined))
    // Closed at first, opened, and then not closed again, neither at once nor at the second try.
    const error = FAULTS.denied('cloudformation:SetStackPolicy')
    operator.world.faults.add({ operation: 'SetStackPolicy', call: 3, times: 2, error })
    expect(await apply(staging('--yes'), around(undefined))).toBe(1)
    expect(operator.printed).toMatch(
      /terrace-staging is changed\. What failed is putting its locks back\.\n.*is still open for this change(.|\n)*may not cloudformation:SetStackPolicy/,
    )
    const stack = operator.world.stacks.find('terrace-staging')
    expect(stack?.policy).not.toBe(JSON.stringify(CLOSED))
    expect(await apply(staging('--yes'), around(undefined))).toBe(0)
    expect(stack?.policy).toBe(JSON.stringify(CLOSED))
  })
})
