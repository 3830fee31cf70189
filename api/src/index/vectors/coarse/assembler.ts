// Just enough of an assembler for WebAssembly that kernel.ts can be written down: an expression is the bytes that leave
// its value on the stack, and a function of TypeScript puts them together. So the machine code is made when it is
// loaded, unrolled by ordinary loops, and nothing compiled lies in the repository.
// Encodings: WebAssembly Core Specification, chapter 5 (binary format).

/** Instructions. What they leave on the stack is said where they are made. */
export type Code = readonly number[]

const TYPES = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const
export type Type = keyof typeof TYPES

/** A parameter or local variable. */
export interface Variable {
  readonly get: Code
  set(value: Code): Code
}

const sequence = (...parts: readonly Code[]): Code => parts.flat()

export { sequence }

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) + 128)
  }
}

function signed(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) return [...bytes, rest & 127]
    bytes.push((rest & 127) | 128)
  }
}

const operation =
  (...opcode: number[]) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), ...opcode]
const simd = (opcode: number) => operation(0xfd, ...unsigned(opcode))

/** Reads at an address plus a constant; no alignment is relied on. */
const load =
  (opcode: number) =>
  (address: Code, offset = 0): Code => [...address, 0xfd, ...unsigned(opcode), 0, ...unsigned(offset)]

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: operation(0x6a),
  sub: operation(0x6b),
  lessThan: operation(0x49),
  store: (address: Code, value: Code): Code => [...address, ...value, 0x36, 0, 0],
}

export const f32 = {
  add: operation(0x92),
  max: operation(0x97),
}

export const v128 = {
  zero: [0xfd, ...unsigned(0x0c), ...new Array<number>(16).fill(0)] as Code,
  load: load(0x00),
  /** Eight int8 as eight int16. */
  load8x8: load(0x01),
  store: (address: Code, value: Code, offset = 0): Code => [
    ...address,
    ...value,
    ...[0xfd, ...unsigned(0x0b), 0, ...unsigned(offset)],
  ],
  anyTrue: simd(0x53),
}

export const i32x4 = {
  add: simd(0xae),
  /** Sums of neighbouring products of int16. */
  dot: simd(0xba),
  /** Four lanes of the eight of two vectors. */
  shuffle: (a: Code, b: Code, lanes: readonly [number, number, number, number]): Code => [
    ...a,
    ...b,
    ...[0xfd, ...unsigned(0x0d), ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte))],
  ],
}

/** Sixteen int8 from four vectors of int32, cut off at the ends of their range. */
export const narrow = (a: Code, b: Code, c: Code, d: Code): Code => i8x16(i16x8(a, b), i16x8(c, d))
const i16x8 = simd(0x85)
const i8x16 = simd(0x65)

export const f32x4 = {
  splat: simd(0x13),
  lane: (value: Code, lane: number): Code => [...value, 0xfd, ...unsigned(0x1f), lane],
  greaterOrEqual: simd(0x46),
  absolute: simd(0xe0),
  add: simd(0xe4),
  subtract: simd(0xe5),
  multiply: simd(0xe6),
  max: simd(0xe9),
  /** To whole numbers, halves to even ones. */
  round: simd(0x6a),
  fromI32x4: simd(0xfa),
  toI32x4: simd(0xf8),
}

/** Runs the body, and again while the condition is not zero. */
export const doWhile = (condition: Code, ...body: readonly Code[]): Code => [
  ...[0x03, 0x40],
  ...body.flat(),
  ...condition,
  ...[0x0d, 0, 0x0b],
]

export const when = (condition: Code, ...body: readonly Code[]): Code => [
  ...condition,
  ...[0x04, 0x40],
  ...body.flat(),
  0x0b,
]

/** A function under construction. All parameters have to be taken before the first local. */
export class FunctionMaker {
  readonly #parameters: Type[] = []
  readonly #locals: Type[] = []

  parameter(type: Type): Variable {
    if (this.#locals.length > 0) throw new Error('a parameter after a local')
    return variable(this.#parameters.push(type) - 1)
  }

  local(type: Type): Variable {
    return variable(this.#parameters.length + this.#locals.push(type) - 1)
  }

  /** The function, returning what the body leaves on the stack. */
  make(name: string, result: Type | null, ...body: readonly Code[]): MadeFunction {
    const types = (list: readonly Type[]) => vector(list.map((type) => [TYPES[type]]))
    const code = [...vector(this.#locals.map((type) => [1, TYPES[type]])), ...body.flat(), 0x0b]
    return {
      name,
      type: [0x60, ...types(this.#parameters), ...types(result === null ? [] : [result])],
      code: [...unsigned(code.length), ...code],
    }
  }
}

export interface MadeFunction {
  readonly name: string
  readonly type: Code
  readonly code: Code
}

function variable(index: number): Variable {
  const number = unsigned(index)
  return { get: [0x20, ...number], set: (value) => [...value, 0x21, ...number] }
}

/** A list preceded by its length. */
function vector(items: readonly Code[]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

/** A module of these functions, exported by name, over a memory that it is given as `env.memory`. */
export function assemble(functions: readonly MadeFunction[]): Uint8Array<ArrayBuffer> {
  const name = (text: string) => vector(Array.from(Buffer.from(text), (byte) => [byte]))
  const section = (id: number, content: Code) => [id, ...unsigned(content.length), ...content]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(functions.map(({ type }) => type))),
    ...section(2, vector([[...name('env'), ...name('memory'), 0x02, 0x00, 1]])),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(7, vector(functions.map(({ name: text }, i) => [...name(text), 0x00, ...unsigned(i)]))),
    ...section(10, vector(functions.map(({ code }) => code))),
  ])
}
