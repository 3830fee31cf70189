// Typed arrays that grow by doubling. What is beyond `length` is zero.

interface Numbers {
  readonly length: number
  [index: number]: number
}

interface NumbersConstructor<A extends Numbers> {
  new (length: number): A
}

export class Growing<A extends Numbers & { set(from: A): void; subarray(from: number, to: number): A }> {
  readonly #make: NumbersConstructor<A>
  /** Read and write through this; take it again after `reserve`, which may replace it. */
  values: A
  length = 0

  constructor(make: NumbersConstructor<A>, initial?: A) {
    this.#make = make
    this.values = new make(Math.max(1_024, initial?.length ?? 0))
    if (initial !== undefined) {
      this.values.set(initial)
      this.length = initial.length
    }
  }

  /** Makes room for `count` more. */
  reserve(count: number): void {
    const wanted = this.length + count
    if (wanted <= this.values.length) return
    const larger = new this.#make(Math.max(wanted, this.values.length * 2))
    larger.set(this.values)
    this.values = larger
  }

  push(value: number): void {
    this.reserve(1)
    this.values[this.length++] = value
  }

  /** A copy of what is there. */
  copy(length = this.length): A {
    const copied = new this.#make(length)
    copied.set(this.values.subarray(0, length))
    return copied
  }
}
