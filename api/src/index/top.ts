// The k best of many, by score and then by smaller passage id, in a heap of typed arrays: no object per passage.
// The order is total, so which k are kept does not depend on the order they come in (promise P6).

export class Top {
  readonly #k: number
  readonly #scores: Float64Array
  readonly #ids: Float64Array
  readonly #places: Int32Array
  #size = 0

  constructor(k: number) {
    this.#k = k
    this.#scores = new Float64Array(k)
    this.#ids = new Float64Array(k)
    this.#places = new Int32Array(k)
  }

  get size(): number {
    return this.#size
  }

  /** Below this score nothing is taken any more; -Infinity while there is room. */
  get floor(): number {
    return this.#size < this.#k ? Number.NEGATIVE_INFINITY : (this.#scores[0] ?? 0)
  }

  offer(score: number, id: number, place: number): void {
    if (this.#size < this.#k) this.#up(score, id, place)
    else if (this.#k > 0 && before(score, id, this.#scores[0] ?? 0, this.#ids[0] ?? 0))
      this.#down(score, id, place)
  }

  /** Best first. */
  sorted(): { score: number; id: number; place: number }[] {
    return Array.from({ length: this.#size }, (_, i) => ({
      score: this.#scores[i] ?? 0,
      id: this.#ids[i] ?? 0,
      place: this.#places[i] ?? 0,
    })).sort((a, b) => b.score - a.score || a.id - b.id)
  }

  #set(at: number, score: number, id: number, place: number): void {
    this.#scores[at] = score
    this.#ids[at] = id
    this.#places[at] = place
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#scores[from] ?? 0, this.#ids[from] ?? 0, this.#places[from] ?? 0)
  }

  /** The worst is at the root. */
  #up(score: number, id: number, place: number): void {
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(this.#scores[parent] ?? 0, this.#ids[parent] ?? 0, score, id)) {
        this.#move(parent, at)
        at = parent
      } else break
    }
    this.#set(at, score, id, place)
  }

  #down(score: number, id: number, place: number): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && this.#before(child, child + 1)) child++
      if (!before(score, id, this.#scores[child] ?? 0, this.#ids[child] ?? 0)) break
      this.#move(child, at)
      at = child
    }
    this.#set(at, score, id, place)
  }

  #before(a: number, b: number): boolean {
    return before(this.#scores[a] ?? 0, this.#ids[a] ?? 0, this.#scores[b] ?? 0, this.#ids[b] ?? 0)
  }
}

function before(scoreA: number, idA: number, scoreB: number, idB: number): boolean {
  return scoreA > scoreB || (scoreA === scoreB && idA < idB)
}
