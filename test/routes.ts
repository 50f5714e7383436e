import type { Engine } from './kinds.ts'
import { mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'

/** Two databases of the test's own, from one engine to the same or another. */
export interface Ends {
  readonly source: OwnPlace
  readonly target: OwnPlace
  drop(): Promise<void>
}

const route = (title: string, from: typeof postgresPlace, to: typeof postgresPlace) => ({
  title,
  async open(): Promise<Ends> {
    const [source, target] = [await from('source'), await to('target')]
    return { source, target, drop: async () => void (await Promise.all([source.drop(), target.drop()])) }
  },
})

export const routes = [
  route('PostgreSQL to PostgreSQL', postgresPlace, postgresPlace),
  route('MariaDB to MariaDB', mariadbPlace, mariadbPlace),
  route('PostgreSQL to MariaDB', postgresPlace, mariadbPlace),
  route('MariaDB to PostgreSQL', mariadbPlace, postgresPlace),
]

/** What the engines write differently. */
export const words: Readonly<
  Record<
    Engine,
    {
      readonly now: string
      minutesAgo(expression: string): string
      readonly time: string
      readonly analyze: string
      /** What `i` counts in, from and to included. */
      series(from: number, to: number): string
    }
  >
> = {
  postgres: {
    now: 'clock_timestamp()',
    minutesAgo: (minutes) => `clock_timestamp() - (${minutes}) * interval '1 min'`,
    time: 'timestamptz',
    analyze: 'analyze t',
    series: (from, to) => `generate_series(${from}, ${to}) as s (i)`,
  },
  mysql: {
    now: 'utc_timestamp(6)',
    minutesAgo: (minutes) => `utc_timestamp(6) - interval (${minutes}) minute`,
    time: 'datetime(6)',
    analyze: 'analyze table t',
    series: (from, to) => `(select seq as i from seq_${from}_to_${to}) as s`,
  },
}
