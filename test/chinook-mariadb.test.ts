import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inWords } from './two-copies.ts'
import { mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'
import { diff } from '../server/reconcile/diff.ts'
import type { Matching } from '../server/reconcile/plan.ts'
import type { Difference } from '../server/reconcile/records.ts'
import { seeded } from './lossy-sync.ts'
import { steadyVerbs } from './two-copies.ts'

/** Names as the two shipped scripts write them: nothing but case and underlines tells them apart. */
const tables: Readonly<Record<string, string>> = {
  album: 'Album',
  artist: 'Artist',
  customer: 'Customer',
  employee: 'Employee',
  genre: 'Genre',
  invoice: 'Invoice',
  invoice_line: 'InvoiceLine',
  media_type: 'MediaType',
  playlist: 'Playlist',
  playlist_track: 'PlaylistTrack',
  track: 'Track',
}

/** PostgreSQL takes the N'Edinburgh ' of its script for a CHAR, which keeps no blank at its end. */
const blanks: Readonly<Record<string, Matching['compare']>> = {
  customer: { city: { trim: true } },
  Customer: { City: { trim: true } },
  invoice: { billing_city: { trim: true } },
  Invoice: { BillingCity: { trim: true } },
}

let pg: OwnPlace
let maria: OwnPlace
beforeAll(async () => {
  ;[pg, maria] = await Promise.all([postgresPlace('source'), mariadbPlace('target')])
  const script = async (name: string, after: RegExp) => {
    const text = await readFile(new URL(`./data/chinook/${name}.sql`, import.meta.url), 'utf8')
    return text.slice(after.exec(text)!.index).replace(after, '')
  }
  await Promise.all([
    pg.run([await script('postgres', /\\c chinook;/)]),
    // Four titles have a backslash, which MariaDB swallows unless it is told that the script means what it says.
    maria.run([`set sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES')`, await script('mysql', /USE `Chinook`;/)]),
  ])
})
afterAll(() => Promise.all([pg, maria].map((place) => place?.drop())))

/** No key, no map: what the scripts shipped is all there is. */
async function compared(source: OwnPlace, target: OwnPlace, table: string, other: string, compare = blanks[table]) {
  const items: Difference[] = []
  const result = await diff({
    source: source.side,
    target: target.side,
    tables: {
      source: { connection: 'source', schema: 'public', table },
      target: { connection: 'target', schema: 'public', table: other },
    },
    matching: { map: {}, exclude: [], where: {}, compare },
    limit: 10_000,
    verbs: steadyVerbs,
    signal: new AbortController().signal,
    take: (found) => void items.push(...found),
  })
  return { ...result, items }
}

describe('the Chinook music shop, as its scripts make it in PostgreSQL and in MariaDB', () => {
  it.each(Object.entries(tables))('agrees in %s and %s, in both directions', async (table, other) => {
    for (const found of [await compared(pg, maria, table, other), await compared(maria, pg, other, table)]) {
      expect(found).toMatchObject({ verdict: 'match', faults: [], items: [], method: 'canonical' })
      expect(found.plan.notes.filter((note) => /not compared|nothing is compared/i.test(note))).toEqual([])
      expect(found.rows.source).toBe(found.rows.target)
      expect(found.rows.source).toBeGreaterThan(0)
    }
  })

  it('differs in the blanks that one script lost, and in nothing else', async () => {
    const words = async (table: string) => (await compared(pg, maria, table, tables[table]!, {})).items.map(inWords)
    expect(await words('customer')).toEqual(['changed 54 city'])
    expect(await words('invoice')).toEqual([20, 141, 152, 207, 336, 359, 381].map((id) => `changed ${id} billing_city`))
  })

  it('is found to differ exactly where it was broken, whatever was broken', async () => {
    const random = seeded(20_240_229)
    const pick = (count: number) => 1 + Math.floor(random() * count)
    const broken = new Map<number, string>()
    const statements: string[] = []
    const breaks: readonly [field: string, sql: (id: number) => string][] = [
      ['name', (id) => `update Track set Name = concat(Name, ' ') where TrackId = ${id}`],
      ['name', (id) => `update Track set Name = concat(lower(Name), '!') where TrackId = ${id}`],
      ['milliseconds', (id) => `update Track set Milliseconds = Milliseconds + 1 where TrackId = ${id}`],
      ['unit_price', (id) => `update Track set UnitPrice = UnitPrice + 0.01 where TrackId = ${id}`],
      ['composer', (id) => `update Track set Composer = if(Composer is null, '', null) where TrackId = ${id}`],
      ['bytes', (id) => `update Track set Bytes = -Bytes where TrackId = ${id}`],
    ]
    for (let left = 40; left > 0; left--) {
      const id = pick(3503)
      if (broken.has(id)) continue
      const [field, sql] = breaks[Math.floor(random() * breaks.length)]!
      broken.set(id, `changed ${id} ${field}`)
      statements.push(sql(id))
    }
    const lines = [pick(2240), pick(2240)]
    for (const id of lines) statements.push(`delete from InvoiceLine where InvoiceLineId = ${id}`)
    statements.push(
      `insert into PlaylistTrack values (18, 1)`,
      `delete from PlaylistTrack where TrackId = 3402 and PlaylistId = 8`,
    )
    await maria.run(statements)

    const words = async (table: string) => (await compared(pg, maria, table, tables[table]!)).items.map(inWords)
    expect((await words('track')).toSorted()).toEqual([...broken.values()].toSorted())
    expect((await words('invoice_line')).toSorted()).toEqual(
      [...new Set(lines)].map((id) => `missing ${id}`).toSorted(),
    )
    expect((await words('playlist_track')).toSorted()).toEqual(['extra 18|1', 'missing 8|3402'])
    expect(await words('album')).toEqual([])
  })
})
