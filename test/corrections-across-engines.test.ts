import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PairInput } from '../server/reconcile/pair.ts'
import type { Engine } from './kinds.ts'
import { mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'
import { run } from './two-copies.ts'

type Value = string | null
type Row = readonly Value[]

interface Held {
  readonly name: string
  readonly type: Readonly<Record<Engine, string>>
  readonly values: fc.Arbitrary<string>
  readonly literal: Readonly<Record<Engine, (value: string) => string>>
  /** What both engines print alike, to look at the tables without the product. */
  readonly print: Readonly<Record<Engine, string>>
}

const quote = (value: string) => `'${value.replaceAll("'", "''")}'`
const hex = (value: string) => Buffer.from(value, 'utf8').toString('hex')
const plain = { postgres: quote, mysql: quote }
const text = {
  postgres: (value: string) => `convert_from('\\x${hex(value)}', 'UTF8')`,
  mysql: (value: string) => `_utf8mb4 x'${hex(value)}'`,
}
const bytes = { postgres: (value: string) => `'\\x${value}'::bytea`, mysql: (value: string) => `x'${value}'` }
const among = (...values: readonly string[]) => fc.constantFrom(...values)
const numeral = (whole: number, fraction: number) =>
  fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** BigInt(whole + fraction) - 1n })).map(([minus, digits]) => {
    const padded = String(digits).padStart(fraction + 1, '0')
    const sign = minus && digits > 0n ? '-' : ''
    return `${sign}${padded.slice(0, -fraction)}.${padded.slice(-fraction)}`
  })
const moment = fc
  .tuple(fc.date({ min: new Date('1000-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }), fc.nat(999))
  .map(([date, micros]) => date.toISOString().replace('T', ' ').replace('Z', String(micros).padStart(3, '0')))

const tricky = among(
  ...[
    '',
    ' ',
    "'",
    "''",
    "'; drop table t; --",
    '\\',
    "\\'",
    '\\\\',
    '\\n',
    '\n',
    '\r\n',
    '\t',
    '"',
    '`',
    '%',
    '_',
    '$1',
  ],
  ...[
    '?',
    ':a',
    '@a',
    '${a}',
    '/* a */',
    '\u0001',
    '\u001a',
    '\u001b',
    '\u007f',
    '\u0080',
    '\u200b',
    '\u2028',
    '\ufeff',
  ],
  ...[
    'NULL',
    'null',
    '😀',
    '👩‍👩‍👧',
    '\u{10ffff}',
    'é',
    'e\u0301',
    'ß',
    'SS',
    'a ',
    'a',
    'A',
    '\ufffd',
    '\uffff',
    '0',
    '-0',
  ],
)
const anyText = fc.oneof(
  tricky,
  fc.string({ unit: 'binary', maxLength: 12 }).map((value) => value.replaceAll('\0', '')),
  fc.array(tricky, { maxLength: 4 }).map((parts) => parts.join('')),
)

const columns: readonly Held[] = [
  {
    ...{ name: 'word', type: { postgres: 'text', mysql: 'longtext' }, values: anyText, literal: text },
    print: { postgres: `encode(convert_to(word, 'UTF8'), 'hex')`, mysql: 'lower(hex(word))' },
  },
  {
    ...{ name: 'short', type: { postgres: 'varchar(20)', mysql: 'varchar(20)' }, values: tricky, literal: text },
    print: { postgres: `encode(convert_to(short, 'UTF8'), 'hex')`, mysql: 'lower(hex(short))' },
  },
  {
    ...{ name: 'big', type: { postgres: 'bigint', mysql: 'bigint' }, literal: plain },
    values: fc.oneof(
      among('9223372036854775807', '-9223372036854775808', '9007199254740993', '0'),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    ),
    print: { postgres: 'big::text', mysql: 'cast(big as char)' },
  },
  {
    ...{ name: 'amount', type: { postgres: 'numeric(40,12)', mysql: 'decimal(40,12)' }, literal: plain },
    values: fc.oneof(numeral(28, 12), among('0', '0.000000000001', '-0.000000000001', '0.1', '1', '-1')),
    print: { postgres: 'amount::text', mysql: 'cast(amount as char)' },
  },
  {
    ...{ name: 'ratio', type: { postgres: 'float8', mysql: 'double' }, literal: plain },
    values: fc.oneof(
      among('0.1', '0.30000000000000004', '1e300', '1.7976931348623157e308', '123456789.123456789'),
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }).map(String),
    ),
    print: { postgres: 'ratio::text', mysql: 'cast(ratio as char)' },
  },
  {
    ...{ name: 'at', type: { postgres: 'timestamp(6)', mysql: 'datetime(6)' }, values: moment, literal: plain },
    print: { postgres: `to_char(at, 'YYYY-MM-DD HH24:MI:SS.US')`, mysql: 'cast(at as char)' },
  },
  {
    ...{ name: 'seen', type: { postgres: 'timestamptz', mysql: 'timestamp(6) null' } },
    values: moment.map(
      (value) => `${1971 + (Number(value.slice(0, 4)) % 60)}${value.slice(4).replace('02-29', '02-28')}`,
    ),
    literal: { postgres: (value) => `'${value}+00'`, mysql: quote },
    print: {
      postgres: `to_char(seen at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`,
      mysql: 'cast(seen as char)',
    },
  },
  {
    ...{ name: 'flag', type: { postgres: 'boolean', mysql: 'tinyint(1)' }, values: among('0', '1') },
    literal: { postgres: quote, mysql: quote },
    print: { postgres: 'flag::int::text', mysql: 'cast(flag as char)' },
  },
  {
    ...{ name: 'raw', type: { postgres: 'bytea', mysql: 'longblob' }, literal: bytes },
    values: fc.uint8Array({ maxLength: 10 }).map((value) => Buffer.from(value).toString('hex')),
    print: { postgres: `encode(raw, 'hex')`, mysql: 'lower(hex(raw))' },
  },
]
/** Documents have no print that engines share: only the product says that they agree. */
const doc: Omit<Held, 'print'> = {
  ...{ name: 'doc', type: { postgres: 'jsonb', mysql: 'json' } },
  values: fc
    .jsonValue({ maxDepth: 2, stringUnit: fc.oneof(among("'", '"', '\\', '😀', 'é', '\n'), among('a', 'b')) })
    .map((value) => JSON.stringify(value)),
  literal: { ...text, postgres: (value) => `${text.postgres(value)}::jsonb` },
}
const stored = [...columns, doc]

const keys = among('1', '2', '3', '-1', '9223372036854775807', '-9223372036854775808', '4294967296', '0')
const rowOf = fc.tuple(keys, ...stored.map(({ values }) => fc.option(values, { freq: 4, nil: null })))
const rowsOf: fc.Arbitrary<readonly Row[]> = fc.uniqueArray(rowOf, { maxLength: 8, selector: ([key]) => key })

const tableOf = (engine: Engine) =>
  `create table t (id bigint primary key, ${stored.map(({ name, type }) => `${name} ${type[engine]}`).join(', ')})`

async function fill({ engine, run: tell }: OwnPlace, rows: readonly Row[]): Promise<void> {
  const lines = rows.map(([key, ...values]) => {
    const cells = stored.map(({ literal }, place) => (values[place] == null ? 'null' : literal[engine](values[place])))
    return `(${[key, ...cells].join(', ')})`
  })
  await tell(['delete from t', ...(lines.length > 0 ? [`insert into t values ${lines.join(', ')}`] : [])])
}

async function asked({ engine, run: tell }: OwnPlace, query: string): Promise<Record<string, unknown>[]> {
  const answer = (await tell([query])) as unknown[]
  return [...((engine === 'mysql' ? answer[0] : answer) as Record<string, unknown>[])]
}

/** Every value as the engine itself prints it, without the product. */
async function printed(place: OwnPlace): Promise<readonly unknown[]> {
  const fields = columns.map(({ name, print }) => `${print[place.engine]} as ${name}`).join(', ')
  const rows = await asked(place, `select cast(id as char(20)) as id, ${fields} from t order by t.id`)
  return rows.map((row) => ({ ...row, id: String(row['id']).trim(), ratio: doubleOf(row['ratio']) }))
}

/** The engines write exponents differently, and one of them has a zero below zero. */
const doubleOf = (told: unknown) => (typeof told === 'string' ? Number(told) + 0 : told)

const pair: Omit<PairInput, 'id'> = {
  ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'], deletes: 'hard' },
  corrections: { mode: 'auto', limit: { rows: 1_000, ratio: 1, deletes: 1_000 } },
}

describe.concurrent.each([
  { title: 'PostgreSQL to MariaDB', from: postgresPlace, to: mariadbPlace },
  { title: 'MariaDB to PostgreSQL', from: mariadbPlace, to: postgresPlace },
])('corrections from $title', ({ from, to }) => {
  let source: OwnPlace
  let target: OwnPlace
  beforeAll(async () => {
    ;[source, target] = [await from('source'), await to('target')]
    await Promise.all([source, target].map((place) => place.run([tableOf(place.engine)])))
  })
  afterAll(() => Promise.all([source, target].map((place) => place?.drop())))

  it('make any rows of the target those of the source, whatever their values', { timeout: 120_000 }, async () => {
    let corrected = 0
    const property = fc.asyncProperty(rowsOf, rowsOf, fc.nat(8), async (rows, others, kept) => {
      const left = new Map([...others.slice(kept), ...rows.slice(0, kept)].map((row) => [row[0], row]))
      await Promise.all([fill(source, rows), fill(target, [...left.values()])])
      const { result, journal } = await run({ source, target }, pair)
      expect(await journal.corrections('failed', 'update', 10)).toEqual([])
      corrected += result.corrections.applied ?? 0
      const { missing, extra, changed } = result.differences
      expect(result.corrections.applied ?? 0).toBe(missing + extra + changed)
      expect(result.after?.verdict ?? 'match').toBe('match')
      expect(await printed(target)).toEqual(await printed(source))
      expect((await run({ source, target }, pair)).result.verdict).toBe('match')
    })
    await fc.assert(property, { numRuns: 25 })
    expect(corrected).toBeGreaterThan(10)
  })

  const fields = ['id', 'price', 'doc', 'word']
  const loosely = { ...pair, compare: { price: { tolerance: 0.05 }, word: { case: 'ignore' } } } as const
  const types = {
    postgres: 'id int primary key, price numeric(10,2), doc json, word text, note text',
    mysql: 'id int primary key, price decimal(10,2), doc json, word varchar(20), note text',
  }
  const rows = (place: OwnPlace, table: string, values: string) =>
    place.run([`create table ${table} (${types[place.engine]})`, `insert into ${table} values ${values}`])
  const of = (table: string) => ({
    ...loosely,
    source: { table: `source.${table}` },
    target: { table: `target.${table}` },
  })

  it('leave what is alike as it is, and hold the row for equal once the rest of it is', async () => {
    await rows(source, 'loose', `(1, 10.00, '{"a": 1, "b": [2]}', 'École', 'right'), (2, 10.00, '[1]', 'a', 'right')`)
    await rows(target, 'loose', `(1, 10.05, '{"b":[2.0],"a":1}', 'éCOLE', 'wrong'), (2, 10.06, '[2]', 'b', 'right')`)
    const { result, journal } = await run({ source, target }, of('loose'))
    expect(journal.kept().map(({ difference, decision }) => [difference.fields, Object.keys(decision.values)])).toEqual(
      [
        [['note'], ['note']],
        [
          ['price', 'doc', 'word'],
          ['price', 'doc', 'word'],
        ],
      ],
    )
    expect(result).toMatchObject({ corrections: { applied: 2 }, after: { verdict: 'match', changed: 0 } })
    const held = await asked(target, `select ${fields.join(', ')} from loose order by id`)
    expect(held[0]).toMatchObject({ id: 1, price: '10.05', word: 'éCOLE' })
    expect(held[1]).toMatchObject({ id: 2, price: '10.00', word: 'a' })
  })

  it('tell what still differs after they are refused, and only that', async () => {
    await rows(
      source,
      'refused',
      `(1, 10.00, '{"a": 1, "b": 2}', 'A', 'right'), (2, 10.00, '{"a": 1, "b": 2}', 'A', 'a longer text')`,
    )
    await rows(
      target,
      'refused',
      `(1, 10.05, '{"b": 2, "a": 1}', 'a', 'wrong'), (2, 10.05, '{"b": 2, "a": 1}', 'a', 'wrong')`,
    )
    await target.run([
      target.engine === 'mysql'
        ? 'alter table refused modify note varchar(5)'
        : 'alter table refused alter note type varchar(5)',
    ])
    const { result } = await run({ source, target }, of('refused'))
    expect(result).toMatchObject({
      corrections: { applied: 1, failed: 1 },
      after: { verdict: 'drift', changed: 1, missing: 0, extra: 0 },
    })
  })
})
