// What this page does that loading it again would cut off. Rooms whose work outlives what shows it name it here; they come
// when they are first needed, and who loads the page again must not need them.

const kinds = new Set<() => boolean>()

/** @param isUnderWay asked again and again while somebody waits */
export function nameWork(isUnderWay: () => boolean): void {
  kinds.add(isUnderWay)
}

export const isWorkUnderWay = (): boolean => [...kinds].some((isUnderWay) => isUnderWay())
