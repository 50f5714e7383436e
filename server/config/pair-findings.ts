import { Cron } from 'croner'
import { tableRef } from '../connect/table.ts'
import { sentenceOf } from '../fault.ts'
import { nearest, suggest, type Finding, type Path } from './problem.ts'
import { listOf, recordOf, type Entry, type Surroundings } from './raw.ts'

/** The systems whose tables can be compared. */
const comparable = ['postgres', 'mysql']

/** What is wrong with one pair beyond its own keys. */
export function pairFindings(pair: Entry, path: Path, around: Surroundings): readonly Finding[] {
  return [
    ...copyFindings(pair, path, around),
    ...columnFindings(pair, path, around),
    ...timezoneFindings(pair['timezone'], [...path, 'timezone'], around),
    ...scheduleFindings(pair['schedule'], [...path, 'schedule'], around),
    ...scheduleFindings(recordOf(pair['full'])['schedule'], [...path, 'full', 'schedule'], around),
    ...modeFindings(pair, path, around),
  ]
}

function copyFindings(pair: Entry, path: Path, around: Surroundings): readonly Finding[] {
  const copies = (['source', 'target'] as const).map((side) => {
    const at = [...path, side, 'table']
    const ref = tableRef.safeParse(recordOf(pair[side])['table'])
    return { at, ref: ref.success && !around.isMissing(at) ? ref.data : undefined }
  })
  const [source, target] = copies.map(({ ref }) => ref && JSON.stringify(ref))
  const same = source !== undefined && source === target
  return [
    ...copies.flatMap(({ at, ref }) => (ref ? around.connection(ref.connection, comparable, at) : [])),
    ...(same
      ? [{ path: [...path, 'target', 'table'], message: 'is the source itself, which always agrees with itself' }]
      : []),
  ]
}

/** Columns are known by name alone here: whether the tables have them, only the databases can tell. */
function columnFindings(pair: Entry, path: Path, around: Surroundings): readonly Finding[] {
  const compared = pair['columns'] === undefined ? undefined : strings(pair['columns'])
  const excluded = strings(pair['exclude'])
  const key = strings(pair['key'])
  const map = Object.entries(recordOf(recordOf(pair['target'])['columns']))
  const show = (at: Path, name: string) => around.show([...path, ...at], name)

  const unused = (name: string, at: Path): readonly Finding[] => {
    const left = excluded.includes(name)
      ? 'is in `exclude`'
      : compared?.includes(name) === false
        ? 'is not in `columns`'
        : ''
    if (!left || key.includes(name)) return []
    const hint = compared && suggest(name, compared, 'columns')
    return [
      {
        path: [...path, ...at],
        atKey: true,
        message: `this column is not compared: it ${left}`,
        ...(hint && { hint }),
      },
    ]
  }
  const twice = (names: readonly string[], list: string): readonly Finding[] =>
    names.flatMap((name, index) => {
      const at = [list, index]
      return names.indexOf(name) === index
        ? []
        : [{ path: [...path, ...at], message: `"${show(at, name)}" is in this list twice` }]
    })
  return [
    ...twice(key, 'key'),
    ...twice(compared ?? [], 'columns'),
    ...excluded.flatMap((name, index) => excludeFindings(name, ['exclude', index])),
    ...Object.keys(recordOf(recordOf(pair['authority'])['fields'])).flatMap((name) => {
      const at = ['authority', 'fields', name]
      if (!key.includes(name)) return unused(name, at)
      const message = 'is a key column: it names the row and is equal on both sides'
      return [{ path: [...path, ...at], atKey: true, message }]
    }),
    ...Object.keys(recordOf(pair['compare'])).flatMap((name) => {
      const at = ['compare', name]
      if (!key.includes(name)) return unused(name, at)
      return [{ path: [...path, ...at], atKey: true, message: 'is a key column, which is compared as it is stored' }]
    }),
    ...map.flatMap(([name, to], index) => {
      const at = ['target', 'columns', name]
      const first = map.findIndex(([, other]) => other === to)
      if (first === index) return unused(name, at)
      return [
        {
          path: [...path, ...at],
          message: `two source columns go to one target column: ${map[first]![0]} and ${name}`,
        },
      ]
    }),
  ]

  function excludeFindings(name: string, at: Path): readonly Finding[] {
    if (key.includes(name)) return [{ path: [...path, ...at], message: 'is a key column, which is always compared' }]
    if (compared?.includes(name)) return [{ path: [...path, ...at], message: 'is in `columns` and in `exclude`' }]
    return []
  }
}

function modeFindings(pair: Entry, path: Path, { isMissing }: Surroundings): readonly Finding[] {
  const at = [...path, 'mode']
  if (pair['mode'] !== 'incremental' || pair['incremental'] !== undefined || isMissing(at)) return []
  const hint = 'name it: incremental: { column: updated_at }'
  return [{ path: at, message: 'needs the column that tells what was written lately', hint }]
}

const strings = (value: unknown): readonly string[] => listOf(value).filter((entry) => typeof entry === 'string')

function timezoneFindings(value: unknown, path: Path, { isMissing, show }: Surroundings): readonly Finding[] {
  if (typeof value !== 'string' || isMissing(path)) return []
  try {
    new Intl.DateTimeFormat('en', { timeZone: value })
    return []
  } catch {
    const shown = show(path, value)
    const near = nearest(shown, ['UTC', ...Intl.supportedValuesOf('timeZone')])
    const hint = `${near ? `did you mean "${near}"? ` : ''}write an IANA name such as Europe/Berlin, or UTC`
    return [{ path, message: `there is no time zone "${shown}"`, hint }]
  }
}

const cronHint = 'five fields: minute hour day month weekday, such as "0 2 * * *" for 2 in the night'

function scheduleFindings(value: unknown, path: Path, { isMissing }: Surroundings): readonly Finding[] {
  if (typeof value !== 'string' || isMissing(path)) return []
  try {
    if (new Cron(value, { paused: true, mode: '5-part', timezone: 'UTC' }).nextRun()) return []
    return [{ path, message: 'never comes due: no date is like this', hint: cronHint }]
  } catch (thrown) {
    // The library's sentence without the text it quotes.
    const why = sentenceOf(thrown).replace(/^CronPattern: /, '')
    const message = /parts/.test(why)
      ? 'does not have five fields'
      : why.replace(/^Invalid/, 'invalid').replace(/\('.*?'\)/, '')
    return [{ path, message, hint: cronHint }]
  }
}
