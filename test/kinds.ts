/** What a column may hold, and how each engine declares it: the alphabet of the worlds that are generated. */
export type Engine = 'postgres' | 'mysql'

export interface Physical {
  readonly engine: Engine
  readonly type: string
  /** Values of the kind that this type holds unchanged; all of them when absent. */
  readonly holds?: (value: string) => boolean
  /** As SQL of the engine; quoted when absent. */
  readonly literal?: (value: string) => string
}

export interface Kind {
  /** Values that have fooled somebody; several may mean the same. */
  readonly values: readonly string[]
  /** Equal exactly when two values are. */
  readonly meaning: (value: string) => string
  readonly types: readonly Physical[]
  /** Types of the two sides that do not go together. */
  readonly apart?: (source: Physical, target: Physical) => boolean
  readonly options?: readonly Options[]
  /** Values that are not compared by their hash. */
  readonly loose?: boolean
}

export interface Options {
  readonly tolerance?: number | { readonly ms: number }
  readonly precision?: number
  readonly case?: 'ignore'
  readonly trim?: boolean
  readonly emptyAsNull?: boolean
}

const pg = (type: string, holds?: Physical['holds'], literal?: Physical['literal']): Physical => ({
  engine: 'postgres',
  type,
  ...(holds && { holds }),
  ...(literal && { literal }),
})
const my = (type: string, holds?: Physical['holds'], literal?: Physical['literal']): Physical => ({
  ...pg(type, holds, literal),
  engine: 'mysql',
})

const within = (min: bigint, max: bigint) => (value: string) => BigInt(value) >= min && BigInt(value) <= max
const signed = (bits: bigint) => within(-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n)
const unsigned = (bits: bigint) => within(0n, 2n ** bits - 1n)

const plainNumber = (value: string) => {
  const [whole, fraction = ''] = value.replace(/^-/, '').split('.')
  const digits = `${whole!.replace(/^0+(?=\d)/, '')}.${fraction}`.replace(/\.?0*$/, '') || '0'
  return digits === '0' ? '0' : value.startsWith('-') ? `-${digits}` : digits
}

/** Digits before and after the point. */
const fits = (whole: number, fraction: number) => (value: string) => {
  const [before, after = ''] = plainNumber(value).replace('-', '').split('.')
  return /^\d+$/.test(before!) && before!.length <= whole && after.length <= fraction
}

const isFinite = (value: string) => /\d/.test(value)
const dyadic = (value: string) => ['0', '-0', '0.5', '1024', '-3.25'].includes(value)
const latin = (value: string) => /^[\x20-\x7e\xa0-\xff]*$/.test(value)
const basic = (value: string) => [...value].every((letter) => letter.length === 1)
const short = (letters: number) => (value: string) => [...value].length <= letters && !value.endsWith(' ')
const utf8Hex = (value: string) => `_utf8mb4 x'${Buffer.from(value, 'utf8').toString('hex')}'`
const digitsMax = (digits: number) => (value: string) => (value.split('.')[1] ?? '').length <= digits
const isDay = (value: string) => /^\d{4}-/.test(value) && !value.endsWith('BC')
const inEpoch = (value: string) => isDay(value) && value >= '1970-01-02' && value < '2038'
const hexOf = (value: string) => `x'${value}'`
const jsonMeaning = (value: string) => documents.find((same) => same.includes(value))![0]!

/** Groups that mean the same. */
const documents: readonly (readonly string[])[] = [
  ['{}', ' { } '],
  ['[]'],
  ['[[1], 2]', '[[1.0],2]'],
  ['[[1, 2]]'],
  ['{"a": 5, "bb": "x"}', '{"bb":"x","a":5}', '{"bb": "x", "a": 5.00}'],
  ['{"a": -5, "bb": "x"}'],
  ['null'],
  ['"a"'],
  ['"A"'],
  ['9007199254740993'],
  ['9007199254740992'],
  ['{"é": "1"}', '{"\\u00e9": "1"}'],
  ['{"é": 1}'],
]

const identifiers = [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'FFFFFFFF-ffff-ffff-ffff-ffffffffffff',
  '0f0e0d0c-0b0a-0908-0706-050403020100',
  '0F0E0D0C-0B0A-0908-0706-050403020100',
]
const bareHex = (value: string) => value.replaceAll('-', '').toLowerCase()
const tellsCase = ({ type }: Physical) => /char|text/.test(type)

export const kinds: Readonly<Record<string, Kind>> = {
  integer: {
    values: [
      '0',
      '1',
      '-1',
      '127',
      '255',
      '2147483647',
      '-2147483648',
      '4294967296',
      '-4294967296',
      '9007199254740993',
      '9223372036854775807',
      '-9223372036854775808',
      '18446744073709551615',
    ],
    meaning: (value) => value,
    types: [
      pg('smallint', signed(16n)),
      pg('int', signed(32n)),
      pg('bigint', signed(64n)),
      pg('numeric'),
      pg('numeric(20,0)'),
      my('tinyint', signed(8n)),
      my('smallint unsigned', unsigned(16n)),
      my('int', signed(32n)),
      my('int(7) unsigned zerofill', unsigned(32n)),
      my('bigint', signed(64n)),
      my('bigint unsigned', unsigned(64n)),
      my('decimal(20,0)'),
      my('decimal(30,2)'),
    ],
    options: [{ tolerance: 1 }],
  },
  numeric: {
    values: [
      ...['0', '0.00', '1', '-1', '10000', '1.5', '1.50', '-1.5', '0.1', '0.01', '0.014', '0.015', '-0.015', '5', '-5'],
      ...['100000000000000000000.01', 'NaN', 'Infinity', '-Infinity', '1234567.89'],
    ],
    meaning: (value) => (isFinite(value) ? plainNumber(value) : value),
    types: [
      pg('numeric'),
      pg('numeric(12,4)', fits(8, 4)),
      pg('numeric(9,2)', fits(7, 2)),
      pg('money', fits(7, 2)),
      my('decimal(12,4)', fits(8, 4)),
      my('decimal(9,2)', fits(7, 2)),
      my('decimal(40,10)', isFinite),
    ],
    options: [{ precision: 2 }, { tolerance: 0.01 }, { precision: 1, tolerance: 0.1 }],
  },
  float: {
    values: [
      '0',
      '-0',
      '0.1',
      '0.30000000000000004',
      '0.3',
      '1e300',
      '5e-324',
      '0.5',
      '1024',
      '-3.25',
      'NaN',
      'Infinity',
    ],
    meaning: (value) => String(Number(value)),
    types: [pg('float8'), pg('float4', dyadic), my('double', (value) => isFinite(value)), my('float', dyadic)],
    options: [{ precision: 1 }, { tolerance: 0.1 }],
  },
  text: {
    values: [
      ...['', ' ', 'a', 'A', 'a ', ' a', 'NULL', 'null', '<null>', '~', '-', ',', '1,2', '1:a', 'a|b', '\x1f', `it's`],
      ...['\\', '\\x00', '"', '{}', '2:ab', 'é', 'É', 'é', 'æ', '€', '😀', 'ß', 'ab,1', '%_', '\t', 'a\nb', 'ﬁ', 'İ'],
    ],
    meaning: (value) => value,
    types: [
      pg('text'),
      pg('varchar(9)'),
      pg('char(9)', short(9)),
      my('varchar(9) character set utf8mb4 collate utf8mb4_bin'),
      my('text character set utf8mb4 collate utf8mb4_general_ci'),
      my('varchar(9) character set utf8mb4 collate utf8mb4_unicode_ci'),
      my('varchar(9) character set latin1 collate latin1_swedish_ci', latin),
      my('varchar(9) character set utf8mb3 collate utf8mb3_general_ci', basic),
      my('varchar(9) character set ucs2', basic),
      my('longtext character set utf16'),
      my('char(9) character set utf8mb4', short(9)),
    ].map((type) => (type.engine === 'mysql' ? { ...type, literal: utf8Hex } : { ...type, literal: escaped })),
    options: [
      { case: 'ignore' },
      { trim: true },
      { emptyAsNull: true },
      { case: 'ignore', trim: true, emptyAsNull: true },
    ],
  },
  choice: {
    values: ['a', 'b', 'c', 'A'],
    meaning: (value) => value,
    types: [
      pg('text'),
      my("enum('b','a','c')", (value) => value !== 'A'),
      my("set('a','b','c')", (value) => value !== 'A'),
    ],
  },
  boolean: {
    values: ['0', '1'],
    meaning: (value) => value,
    types: [
      pg('boolean', undefined, (value) => (value === '1' ? 'true' : 'false')),
      my('tinyint(1)'),
      my('bit(1)', undefined, (value) => `b'${value}'`),
    ],
  },
  bits: {
    values: ['00000000', '00000001', '10000000', '11111111'],
    meaning: (value) => value,
    types: [pg('bit(8)'), my('bit(8)', undefined, (value) => `b'${value}'`)],
  },
  uuid: {
    values: identifiers,
    meaning: (value) => value.toLowerCase(),
    types: [
      pg('uuid'),
      pg('text'),
      pg('bytea', undefined, (value) => `'\\x${bareHex(value)}'`),
      my('uuid'),
      my('char(36) character set latin1'),
      my('varchar(40)'),
      my('binary(16)', undefined, (value) => hexOf(bareHex(value))),
    ],
    // Of two texts case tells; bytes and text need somebody who says that they are identifiers.
    apart: (source, target) =>
      ![source, target].some(({ type }) => type === 'uuid') || (tellsCase(source) && tellsCase(target)),
  },
  date: {
    values: ['2000-01-01', '1970-01-01', '2024-02-29', '9999-12-31', '1000-01-01', 'infinity', '0044-03-15 BC'],
    meaning: (value) => value,
    types: [pg('date'), my('date', isDay), my('datetime', isDay), pg('timestamp')],
    options: [{ tolerance: { ms: 86_400_000 } }],
    apart: ({ type: one }, { type: other }) => one !== 'date' && other !== 'date',
  },
  timestamp: {
    values: [
      ...['2000-01-01 00:00:00', '2000-01-01 00:00:00.5', '2000-01-01 00:00:00.500001', '2000-01-01 00:00:01'],
      ...['2000-01-01 01:11:34.967296', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59', '1000-01-01 00:00:00'],
      ...['2024-03-31 02:30:00', '2024-10-27 02:30:00', '2024-10-27 01:30:00', '1970-01-02 00:00:00', '-infinity'],
    ],
    meaning: (value) => value,
    types: [
      pg('timestamp'),
      pg('timestamp(0)', digitsMax(0)),
      pg('timestamp(3)', digitsMax(3)),
      pg('timestamptz', undefined, (value) => (isDay(value) ? `'${value}+00'` : `'${value}'`)),
      my('datetime(6)', isDay),
      my('datetime(3)', (value) => isDay(value) && digitsMax(3)(value)),
      my('datetime', (value) => isDay(value) && digitsMax(0)(value)),
      my('timestamp(6)', inEpoch),
      my('timestamp', (value) => inEpoch(value) && digitsMax(0)(value)),
    ],
    options: [
      { precision: 0 },
      { precision: 3 },
      { tolerance: { ms: 500 } },
      { precision: 0, tolerance: { ms: 1000 } },
    ],
  },
  time: {
    values: ['00:00:00', '12:30:00', '12:30:00.5', '12:30:00.500001', '23:59:59.999999', '-00:00:00.5', '838:59:59'],
    meaning: (value) => value,
    types: [
      pg('time', (value) => !/^(-|838)/.test(value)),
      my('time(6)'),
      my('time(3)', digitsMax(3)),
      my('time', digitsMax(0)),
    ],
    options: [{ precision: 0 }, { tolerance: { ms: 500 } }],
  },
  bytes: {
    values: ['', '00', '0000', 'ff', 'c3a9', '7e', '2c', '6e756c6c'],
    meaning: (value) => value,
    types: [
      pg('bytea', undefined, (value) => `'\\x${value}'`),
      my('varbinary(9)', undefined, hexOf),
      my('blob', undefined, hexOf),
    ],
  },
  json: {
    values: documents.flat(),
    meaning: jsonMeaning,
    types: [pg('json'), pg('jsonb'), { ...my('json'), literal: utf8Hex }],
    loose: true,
  },
  year: {
    values: ['1901', '2024', '2155'],
    meaning: (value) => value,
    types: [pg('int'), my('year')],
  },
  interval: {
    values: ['0 0 0', '0 1 0', '0 0 86400000000', '1 0 0', '0 30 0', '0 0 -1', '0 0 1500000', '0 0 -3600000000'],
    meaning: (value) => value,
    types: [
      pg('interval', undefined, (value) => {
        const [months, days, micros] = value.split(' ')
        return `'${months} months ${days} days ${micros} microseconds'`
      }),
      my(
        'time(6)',
        (value) => value.startsWith('0 0 ') && !value.endsWith('86400000000'),
        (value) => `sec_to_time(${Number(value.split(' ')[2]) / 1e6})`,
      ),
    ],
    apart: ({ engine: one }, { engine: other }) => one === 'mysql' && other === 'mysql',
  },
  address: {
    values: ['10.0.0.1', '10.0.0.2', '::1'],
    meaning: (value) => value,
    types: [pg('inet'), pg('text'), my('varchar(40)'), my('inet6', (value) => value.includes(':'))],
  },
  array: {
    values: ['{}', '{1}', '{1,NULL}', '{NULL,1}', '{{1},{2}}'],
    meaning: (value) => value,
    types: [pg('int[]')],
  },
  range: { values: ['empty', '[1,2)', '[1,3)', '(,)'], meaning: (value) => value, types: [pg('int4range')] },
}

function escaped(value: string) {
  return `convert_from('\\x${Buffer.from(value, 'utf8').toString('hex')}', 'UTF8')`
}

export const literalOf = (type: Physical, value: string | null): string =>
  value === null ? 'null' : (type.literal?.(value) ?? `'${value.replaceAll("'", "''")}'`)

/** Whether two values of a kind count as equal under options; written plainly, on its own. */
export function same(kind: Kind, options: Options, source: string | null, target: string | null): boolean {
  const plain = (value: string | null) => {
    if (value === null) return null
    let text = value
    if (options.case) text = text.toLowerCase()
    if (options.trim) text = text.replace(/^ +/, '').replace(/ +$/, '')
    return options.emptyAsNull && text === '' ? null : text
  }
  const [one, other] = [plain(source), plain(target)]
  if (one === null || other === null) return one === other
  if (kind.meaning(one) === kind.meaning(other)) return true
  const { tolerance, precision } = options
  if (tolerance === undefined && precision === undefined) return false
  const [left, right] = [one, other].map((value) => scaled(value, precision))
  if (left === undefined || right === undefined) return false
  const apart = left > right ? left - right : right - left
  if (typeof tolerance === 'object') return apart <= BigInt(tolerance.ms) * 1000n * unit
  return apart <= BigInt(Math.round((tolerance ?? 0) * 1e6)) * (unit / 1_000_000n)
}

const unit = 10n ** 330n

/** A number, or the microseconds of a time, times `unit`: rounded, or cut, to its digits. Undefined for what is neither. */
function scaled(value: string, precision: number | undefined): bigint | undefined {
  const time = /^(-?)(?:(\d{4}-\d\d-\d\d)(?:$| ))?(?:(\d+):(\d\d):(\d\d)(?:\.(\d+))?)?$/.exec(value)
  if (time && (time[2] || time[3])) {
    const [, sign, day, hours = '0', minutes = '0', seconds = '0', fraction = ''] = time
    const kept = fraction.slice(0, precision ?? 6).padEnd(6, '0')
    const micros = BigInt(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1_000_000n + BigInt(kept)
    return ((day ? BigInt(Date.parse(`${day}T00:00:00Z`)) * 1000n : 0n) + (sign ? -micros : micros)) * unit
  }
  const number = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(value)
  if (!number) return undefined
  const [, sign, whole, fraction = '', exponent = '0'] = number
  const power = 330 + Number(exponent) - fraction.length
  const size = BigInt(`${whole}${fraction}`) * 10n ** BigInt(power)
  const step = precision === undefined ? 1n : unit / 10n ** BigInt(precision)
  const rounded = precision === undefined ? size : ((size + step / 2n) / step) * step
  return sign ? -rounded : rounded
}
