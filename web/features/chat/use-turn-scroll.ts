import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

/** Pixels from the end that count as being there. */
const NEAR = 48

/**
 * A question goes to the top of the view and its answer is written below, so that what one reads stands still.
 * The view follows the end only for someone who went there; scrolling up ends that.
 * @param turns how many there are: one more brings the new question to the top
 */
export function useTurnScroll(turns: number): {
  column: RefObject<HTMLDivElement | null>
  content: RefObject<HTMLDivElement | null>
  lastTurn: RefObject<HTMLDivElement | null>
  atEnd: boolean
  toEnd: () => void
} {
  const column = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const lastTurn = useRef<HTMLDivElement>(null)
  const following = useRef(false)
  const [atEnd, setAtEnd] = useState(true)

  const known = useRef<number | null>(null)
  useLayoutEffect(() => {
    if (known.current !== null && turns <= known.current) return
    const smoothly = known.current !== null
    known.current = turns
    following.current = false
    const box = column.current
    if (box === null || lastTurn.current === null) return
    const top = lastTurn.current.getBoundingClientRect().top - box.getBoundingClientRect().top
    box.scrollTo({ top: box.scrollTop + top, behavior: smoothly ? 'smooth' : 'instant' })
  }, [turns])

  useEffect(() => {
    const box = column.current
    if (box === null || content.current === null) return
    let before = box.scrollTop
    const look = () => {
      const near = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR
      if (!near && box.scrollTop < before) following.current = false
      before = box.scrollTop
      setAtEnd(near)
    }
    const observer = new ResizeObserver(() => {
      if (following.current) box.scrollTop = box.scrollHeight
      look()
    })
    observer.observe(content.current)
    observer.observe(box)
    box.addEventListener('scroll', look, { passive: true })
    return () => {
      observer.disconnect()
      box.removeEventListener('scroll', look)
    }
  }, [])

  const toEnd = useCallback(() => {
    following.current = true
    const box = column.current
    box?.scrollTo({ top: box.scrollHeight, behavior: 'smooth' })
  }, [])

  return { column, content, lastTurn, atEnd, toEnd }
}
