// The stack as a picture, drawn from its template: what stands in which subnet of which zone, and an arrow for every
// connection that routes and security groups really allow.
import type { Template } from './cfn.ts'
import { type Place, readPlaces } from './places.ts'
import { describeFlow, type Flow, reachable } from './reachability.ts'
import { ofType, property, refersTo } from './reading.ts'

const BANDS = ['Public', 'App', 'Database'] as const
type Band = (typeof BANDS)[number]

const NAMES: Readonly<Record<string, string>> = {
  ExternalBalancer: 'External load balancer',
  WebGroup: 'Web servers',
  InternalBalancer: 'Internal load balancer',
  ApiGroup: 'API servers',
  Database: 'PostgreSQL',
  DatabaseReplica: 'Read replica',
  Search: 'OpenSearch',
}
const WIDTH = 860
const LEFT = 40
const ZONE = { width: 300, gap: 20 } as const
const ROW = { height: 46, gap: 34 } as const
const TOP = 92

interface Box {
  readonly id: string
  readonly x: number
  readonly y: number
  readonly width: number
  readonly label: string
}

/** An SVG document. The same template gives the same bytes. */
export function drawStack(template: Template): string {
  const places = readPlaces(template)
  const zones = [
    ...new Set(
      ofType(template, 'AWS::EC2::Subnet').map(([, subnet]) =>
        String(property(subnet, 'AvailabilityZoneId')),
      ),
    ),
  ]
  const flows = reachable(template)
  const order = inOrder(places, flows)
  const bandOf = (id: string) =>
    BANDS.find((band) => places.find((place) => place.id === id)?.subnet.startsWith(band)) ?? 'App'

  const boxes: Box[] = []
  const bands: { band: Band; y: number; height: number }[] = []
  let y = TOP
  for (const band of BANDS) {
    const start = y
    const rows = rowsOf(order.filter((id) => bandOf(id) === band))
    y += 26
    for (const row of rows) {
      for (const id of row) boxes.push(...boxesOf(id, places, zones, row.length, row.indexOf(id), y))
      y += ROW.height + ROW.gap
    }
    if (rows.length === 0) y += ROW.height
    bands.push({ band, y: start, height: y - start - 10 })
  }
  const drawn = flows.filter((flow) => canBeDrawn(flow, boxes))
  const shapes = drawn.map((flow) => arrows(flow, boxes))
  const out = flows.filter(({ to }) => to === 'world')
  const others = flows.filter((flow) => !drawn.includes(flow) && !out.includes(flow))
  const notes = [
    ...out.map(({ from, port }) => `${NAMES[from] ?? from} → internet :${port} ${wayOut(template, from)}`),
    ...others.map(
      (flow) =>
        `also open: ${describeFlow({ ...flow, from: NAMES[flow.from] ?? flow.from, to: NAMES[flow.to] ?? flow.to })}`,
    ),
  ]
  const height = y + 20 + notes.length * 18 + 16
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    '<title>What the stack consists of, and who can connect to whom</title>',
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#344054"/></marker></defs>',
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...zones.map((zone, index) => {
      const x = zoneX(index)
      return `<rect x="${x}" y="60" width="${ZONE.width}" height="${y - 60}" rx="10" fill="#f5f7fa" stroke="#d0d5dd"/>${text(x + ZONE.width / 2, 80, zone, '#667085')}`
    }),
    ...bands.map(({ band, y: top, height: tall }) => {
      const right = LEFT + 2 * ZONE.width + ZONE.gap
      return `<rect x="${LEFT - 8}" y="${top}" width="${right - LEFT + 16}" height="${tall}" rx="8" fill="none" stroke="#98a2b3" stroke-dasharray="4 4"/>${text(right + 18, top + 18, `${band.toLowerCase()} subnets`, '#475467', 'start')}`
    }),
    text(LEFT + ZONE.width + ZONE.gap / 2, 24, 'Internet', '#101828'),
    ...shapes.flatMap(({ lines }) => lines),
    ...shapes.flatMap(({ words }) => words),
    ...boxes.map(drawBox),
    ...notes.map((note, index) => text(LEFT, y + 26 + index * 18, note, '#475467', 'start')),
    '</svg>',
    '',
  ].join('\n')
}

const zoneX = (index: number) => LEFT + index * (ZONE.width + ZONE.gap)
const middle = (box: Box) => box.x + box.width / 2

/** Names of what stands there, each after what connects to it. */
function inOrder(places: readonly Place[], flows: readonly Flow[]): string[] {
  const order: string[] = []
  const visit = (id: string) => {
    for (const { from, to } of flows)
      if (from === id && to !== 'world' && !order.includes(to)) {
        order.push(to)
        visit(to)
      }
  }
  visit('world')
  return [...order, ...new Set(places.map(({ id }) => id).filter((id) => !order.includes(id)))]
}

/** Primary and replica share a row; all else has one of its own. */
function rowsOf(ids: readonly string[]): string[][] {
  const databases = ids.filter((id) => id.startsWith('Database'))
  const rows = ids.filter((id) => !databases.includes(id)).map((id) => [id])
  return databases.length > 0 ? [...rows, databases] : rows
}

function boxesOf(
  id: string,
  places: readonly Place[],
  zones: readonly string[],
  shared: number,
  nth: number,
  y: number,
): Box[] {
  const own = places.filter((place) => place.id === id)
  const label = NAMES[id] ?? id
  if (/Balancer$/.test(id)) {
    const x = zoneX(0) + 60
    return [{ id, x, y, width: zoneX(1) + ZONE.width - 60 - x, label }]
  }
  return own.map(({ zone }) => {
    const slot = ZONE.width / shared
    // The primary is in one zone, its standby in the other: which is which changes.
    const which = id === 'Database' && own.length > 1 ? `${label}*` : label
    return { id, x: zoneX(zones.indexOf(zone)) + nth * slot + 14, y, width: slot - 28, label: which }
  })
}

const canBeDrawn = ({ from, to }: Flow, boxes: readonly Box[]) => {
  const target = boxes.find((box) => box.id === to)
  const source = boxes.find((box) => box.id === from)
  return target !== undefined && (from === 'world' || (source !== undefined && source.y < target.y))
}

/** An arrow from each place to each, and the port beside one that goes straight down: lines and words apart. */
function arrows({ from, to, port }: Flow, boxes: readonly Box[]): { lines: string[]; words: string[] } {
  const targets = boxes.filter((box) => box.id === to)
  const label = (x: number, y: number) => text(x + 6, y, `:${port}`, '#344054', 'start')
  if (from === 'world') {
    const x = LEFT + ZONE.width + ZONE.gap / 2 + (port === 80 ? -40 : 40)
    return { lines: targets.map((target) => line(x, 32, x, target.y)), words: [label(x, 50)] }
  }
  const isWide = (box: Box) => box.width > ZONE.width
  const pairs = targets.flatMap((target) =>
    boxes
      .filter((box) => box.id === from)
      .map((source) => ({
        x1: middle(isWide(source) ? target : source),
        y1: source.y + ROW.height,
        x2: middle(isWide(target) ? source : target),
        y2: target.y,
      })),
  )
  return {
    lines: pairs.map(({ x1, y1, x2, y2 }) => line(x1, y1, x2, y2)),
    words: pairs
      .filter(({ x1, x2 }) => Math.abs(x1 - x2) < ZONE.width / 2)
      .map(({ x2, y2 }) => label(x2, y2 - 10)),
  }
}

function wayOut(template: Template, id: string): string {
  const launch =
    template.Resources[refersTo(property(template.Resources[id], 'LaunchTemplate.LaunchTemplateId')) ?? '']
  const own = property(launch, 'LaunchTemplateData.NetworkInterfaces.0.AssociatePublicIpAddress') === true
  const nats = ofType(template, 'AWS::EC2::NatGateway').length
  return own
    ? 'by their own addresses'
    : nats === 1
      ? 'by one NAT gateway'
      : `by ${nats} NAT gateways, one in each zone`
}

const line = (x1: number, y1: number, x2: number, y2: number) =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#344054" stroke-width="1.3" marker-end="url(#tip)"/>`
const drawBox = ({ x, y, width, label }: Box) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${ROW.height}" rx="6" fill="#fff" stroke="#344054"/>${text(x + width / 2, y + ROW.height / 2 + 5, label, '#101828')}`
/** So that words can be read over lines. */
const HALO = 3
const text = (x: number, y: number, words: string, fill: string, anchor = 'middle') =>
  `<text x="${x}" y="${y}" fill="${fill}" text-anchor="${anchor}" paint-order="stroke" stroke="#f5f7fa" stroke-width="${HALO}">${words}</text>`
