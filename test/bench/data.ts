import type { Engine } from './servers.ts'

export interface Counts {
  readonly missing: number
  readonly extra: number
  readonly changed: number
}

export const drifts = ['identical', '100 differences', '1 % scattered'] as const
export type Drift = (typeof drifts)[number]

/** Half of them changed, a quarter missing, a quarter extra. */
export function countsOf(drift: Drift, rows: number): Counts {
  const total = { identical: 0, '100 differences': 100, '1 % scattered': Math.floor(rows / 100) }[drift]
  const quarter = Math.floor(total / 4)
  return { changed: total - 2 * quarter, missing: quarter, extra: quarter }
}

export type Kind = 'name' | 'amount' | 'note' | 'missing' | 'extra'

/** One id in eleven is a gap, which is where extra rows go. */
const gap = 11
const idOf = (ordinal: number) => ordinal + 1 + Math.floor(ordinal / (gap - 1))
const lastId = (rows: number) => idOf(rows - 1)

/** So many ids of the table, at random. */
export function someIds(rows: number, count: number, seed: number): number[] {
  const random = generator(seed)
  const ids = new Set<number>()
  while (ids.size < count) ids.add(idOf(Math.floor(random() * rows)))
  return [...ids]
}

/** Which ids differ and how: as many as `counts` says, at random, the same ones in every engine and every run. */
export function plantedIn(rows: number, counts: Counts): Map<number, Kind> {
  const random = generator(rows + counts.changed)
  const planted = new Map<number, Kind>()
  const plant = (count: number, pick: () => number, kindOf: (nth: number) => Kind) => {
    for (let nth = 0; nth < count;) {
      const id = pick()
      if (!planted.has(id)) planted.set(id, kindOf(nth++))
    }
  }
  const anyRow = () => idOf(Math.floor(random() * rows))
  const changes = ['name', 'amount', 'note'] as const
  plant(counts.changed, anyRow, (nth) => changes[nth % changes.length]!)
  plant(counts.missing, anyRow, () => 'missing')
  plant(
    counts.extra,
    () => gap * (1 + Math.floor(random() * Math.floor(lastId(rows) / gap))),
    () => 'extra',
  )
  return planted
}

/** Mulberry32: numbers in [0, 1) that are the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const cities = ['Berlin', 'Paris', 'Madrid', 'Rome', 'Oslo', 'Vienna', 'Lisbon'].map((city) => `'${city}'`).join(', ')
const valuesPerInsert = 5_000

const columns: Readonly<Record<Engine, string>> = {
  postgres: `id bigint not null, uid uuid not null, name varchar(60) not null, email varchar(100) not null,
    city varchar(40) not null, amount numeric(12,2) not null, qty int not null, active boolean not null,
    updated_at timestamp(6) not null, note text`,
  mariadb: `id bigint not null primary key, uid char(36) character set latin1 not null, name varchar(60) not null,
    email varchar(100) not null, city varchar(40) not null, amount decimal(12,2) not null, qty int not null,
    active tinyint(1) not null, updated_at datetime(6) not null, note text`,
}

const rowsSql = (rows: number): Readonly<Record<Engine, string>> => ({
  postgres: `
    select i, md5(i::text)::uuid, 'Customer ' || md5(i::text) || case when kind = 'name' then '!' else '' end,
      'user' || i || '@example' || i % 97 || '.com', (array[${cities}])[1 + i % 7],
      i * 7919 % 1000000 / 100.0 + case when kind = 'amount' then 0.01 else 0 end, i % 1000, i % 3 = 0,
      timestamp '2024-01-01' + i * 37 % 31536000 * interval '1 s' + i % 1000000 * interval '1 us',
      case when i % 8 >= 3 then 'note ' || md5(i::text) || case when kind = 'note' then '.' else '' end
        when kind = 'note' then '' end
    from generate_series(1::bigint, ${lastId(rows)}) as i left join planted on planted.id = i
    where case when i % ${gap} = 0 then kind = 'extra' else kind is distinct from 'missing' end`,
  mariadb: `
    select seq, insert(insert(insert(insert(md5(seq), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-'),
      concat('Customer ', md5(seq), if(kind = 'name', '!', '')), concat('user', seq, '@example', seq % 97, '.com'),
      elt(1 + seq % 7, ${cities}), seq * 7919 % 1000000 / 100 + if(kind = 'amount', 0.01, 0), seq % 1000, seq % 3 = 0,
      timestamp '2024-01-01 00:00:00' + interval seq * 37 % 31536000 second + interval seq % 1000000 microsecond,
      case when seq % 8 >= 3 then concat('note ', md5(seq), if(kind = 'note', '.', '')) when kind = 'note' then '' end
    from seq_1_to_${lastId(rows)} left join planted on planted.id = seq
    where if(seq % ${gap} = 0, kind <=> 'extra', not kind <=> 'missing')`,
})

export interface Fill {
  readonly table: string
  readonly rows: number
  readonly planted: ReadonlyMap<number, Kind>
}

/** The statements that make a table of ten columns, written in the order of its key and ready to be read. */
export function fillSql(engine: Engine, { table, rows, planted }: Fill): string[] {
  const pairs = [...planted].map(([id, kind]) => `(${id}, '${kind}')`)
  const inserts: string[] = []
  for (let from = 0; from < pairs.length; from += valuesPerInsert) {
    inserts.push(`insert into planted values ${pairs.slice(from, from + valuesPerInsert).join(', ')}`)
  }
  const plantedTable = [
    'drop table if exists planted',
    'create temporary table planted (id bigint not null primary key, kind varchar(8) not null)',
    ...inserts,
  ]
  const make = [
    `drop table if exists ${table}`,
    // In one transaction, which spares PostgreSQL the log of what it could do again.
    'begin',
    `create table ${table} (${columns[engine]})`,
    `insert into ${table} ${rowsSql(rows)[engine]}`,
    'commit',
  ]
  return engine === 'postgres'
    ? [
        ...plantedTable,
        'analyze planted',
        ...make,
        `alter table ${table} add primary key (id)`,
        `vacuum (analyze, freeze) ${table}`,
      ]
    : ['set unique_checks = 0, foreign_key_checks = 0', ...plantedTable, ...make, `analyze table ${table}`]
}
