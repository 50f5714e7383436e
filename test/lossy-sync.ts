import type { Sql } from 'postgres'

/** Numbers from 0 to 1 that are the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Values = Readonly<Record<string, string | null>>

/** A table as a test sees it: all of it, every value as text. */
export interface Sheet {
  readonly table: string
  readonly key: readonly string[]
  readonly columns: readonly { readonly name: string; readonly type: string; readonly nullable: boolean }[]
  readonly rows: readonly Values[]
}

export async function sheetOf(sql: Sql, table: string, key: readonly string[]): Promise<Sheet> {
  const columns = await sql<{ name: string; type: string; nullable: boolean }[]>`
    select attname as name, format_type(atttypid, null) as type, not attnotnull as nullable from pg_attribute
    where attrelid = ${table}::regclass and attnum > 0 and not attisdropped order by attnum`
  const list = columns.map(({ name }) => `"${name}"::text`).join(', ')
  return { table, key, columns, rows: await sql.unsafe(`select ${list} from "${table}"`) }
}

const keyOf = ({ key }: Sheet, row: Values) => key.map((name) => row[name]!)

/**
 * What a full comparison in memory finds, in the words of `inWords`; the fields of rows that share their key are left out,
 * because which of them belong together is nobody's to say.
 */
export function naively(source: Sheet, target: Sheet): string[] {
  const group = (sheet: Sheet) => {
    const groups = new Map<string, Values[]>()
    for (const row of sheet.rows) {
      const name = keyOf(source, row).join('|')
      groups.set(name, [...(groups.get(name) ?? []), row])
    }
    return groups
  }
  const [ours, theirs] = [group(source), group(target)]
  return [...new Set([...ours.keys(), ...theirs.keys()])]
    .flatMap((name) => {
      const left = [...(ours.get(name) ?? [])]
      const right = [...(theirs.get(name) ?? [])]
      const several = left.length > 1 || right.length > 1
      const alike = (one: Values, other: Values) =>
        source.columns.every((column) => one[column.name] === other[column.name])
      for (const row of [...left]) {
        const at = right.findIndex((other) => alike(row, other))
        if (at === -1) continue
        left.splice(left.indexOf(row), 1)
        right.splice(at, 1)
      }
      const fields = ([one, other]: [Values, Values]) =>
        source.columns.filter((column) => one[column.name] !== other[column.name]).map((column) => column.name)
      const paired = Math.min(left.length, right.length)
      return [
        ...left
          .slice(0, paired)
          .map((row, at) => `changed ${name}${several ? '' : ` ${fields([row, right[at]!]).join(',')}`}`),
        ...left.slice(paired).map(() => `missing ${name}`),
        ...right.slice(paired).map(() => `extra ${name}`),
      ]
    })
    .toSorted()
}

export interface Losses {
  /** How many of each kind, at most. */
  readonly each: number
  /** Rows written twice, where no key forbids it; never rows that are broken in another way too, unless `mixed`. */
  readonly twice: boolean
  readonly mixed?: boolean
}

/**
 * Does to a target what a lossy sync does: inserts that never came, updates that came too late, deletes that came back,
 * strings cut off, NULLs that became something or something that became NULL, rows written twice.
 */
export async function lose(
  sql: Sql,
  sheet: Sheet,
  random: () => number,
  { each, twice, mixed = false }: Losses,
): Promise<void> {
  const free = [...sheet.rows]
  const pick = () => (free.length === 0 ? undefined : free.splice(Math.floor(random() * free.length), 1)[0])
  const some = () => Math.floor(random() * (each + 1))
  const others = sheet.columns.filter(({ name }) => !sheet.key.includes(name))
  const where = (row: Values) =>
    sheet.key.map((name) => `"${name}" = '${row[name]!.replaceAll("'", "''")}'`).join(' and ')
  const statements: string[] = []
  const set = (row: Values, name: string, value: string) =>
    statements.push(`update "${sheet.table}" set "${name}" = ${value} where ${where(row)}`)
  const names = sheet.columns.map(({ name }) => `"${name}"`).join(', ')
  const copy = (row: Values, replaced: Readonly<Record<string, string>>) =>
    statements.push(
      `insert into "${sheet.table}" (${names}) select ${sheet.columns
        .map(({ name }) => replaced[name] ?? `"${name}"`)
        .join(', ')} from "${sheet.table}" where ${where(row)} limit 1`,
    )

  for (let left = some(); left > 0; left--) {
    const row = pick()
    if (row) copy(row, { [sheet.key.at(-1)!]: String(1_000_000 + Math.floor(random() * 1e9)) })
  }
  for (let left = some(); left > 0 && others.length > 0; left--) {
    const row = pick()
    const { name, type, nullable } = others[Math.floor(random() * others.length)]!
    if (!row) continue
    if (nullable && random() < 0.3)
      set(row, name, row[name] === null ? (type.includes('char') ? `''` : 'null') : 'null')
    else if (type.includes('char'))
      set(row, name, random() < 0.5 ? `left("${name}", -2)` : `left('stale ' || "${name}", 10)`)
    else if (type.includes('timestamp')) set(row, name, `"${name}" - interval '1 day'`)
    else set(row, name, type === 'numeric' ? `"${name}" + 0.01` : `"${name}" + 1`)
  }
  for (let left = twice ? some() : 0; left > 0; left--) {
    const row = mixed ? sheet.rows[Math.floor(random() * sheet.rows.length)] : pick()
    for (let copies = 1 + Math.floor(random() * 2); row && copies > 0; copies--) copy(row, {})
  }
  for (let left = some(); left > 0; left--) {
    const row = pick()
    if (row) statements.push(`delete from "${sheet.table}" where ${where(row)}`)
  }
  // As a sync that loads without checking references does.
  await sql.begin(async (tx) => {
    await tx.unsafe('set local session_replication_role = replica')
    for (const statement of statements) await tx.unsafe(statement)
  })
}
