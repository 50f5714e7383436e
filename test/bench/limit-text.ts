import type { Engine } from './servers.ts'

/**
 * Text that no two rows share: the values that have no bar in them, the lengths of those that may, then these. The same
 * in both engines when `shared`, and the cheapest found: PostgreSQL leaves out the zeros at the end of a time, and takes
 * longer over its text than MariaDB over trimming them.
 */
const injective: Readonly<Record<Engine, (shared: boolean) => string>> = {
  postgres:
    () => `concat_ws('|', id, amount, qty, case when active then '1' else '0' end, updated_at, octet_length(name),
    octet_length(email), octet_length(city), case when note is null then '1' else '0' end, uid, name)
    || concat(email, city, note)`,
  mariadb: (shared) => `concat(id, '|', amount, '|', qty, '|', active, '|',
    ${shared ? "trim(trailing '.' from trim(trailing '0' from updated_at))" : 'updated_at'}, '|', length(name), '|',
    length(email), '|', length(city), '|', note is null, '|', uid, '|', name, email, city, ifnull(note, ''))`,
}

type Digits = (text: string) => string
const md5: Digits = (text) => `md5(${text})`
const digits = {
  MD5: { postgres: md5, mariadb: md5 },
  'SHA-256': {
    postgres: (text: string) => `encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`,
    mariadb: (text: string) => `sha2(${text}, 256)`,
  },
  'SHA-1': { mariadb: (text: string) => `sha1(${text})` },
} as const satisfies Record<string, Partial<Record<Engine, Digits>>>

/** None is cheapest everywhere: a processor with instructions for SHA makes it cheaper than MD5. */
export const sharedHashes = ['MD5', 'SHA-256'] as const
export const mariadbHashes = ['MD5', 'SHA-1', 'SHA-256'] as const

const combined: Readonly<Record<Engine, Digits>> = {
  postgres: (hex) => `bit_xor(('x' || left(${hex}, 16))::bit(64)::int8)::text`,
  mariadb: (hex) => `cast(bit_xor(cast(conv(left(${hex}, 16), 16, 10) as unsigned)) as char)`,
}

const statement = (engine: Engine, hex: Digits, shared: boolean, table: string) =>
  `select count(*) as counted, ${combined[engine](hex(injective[engine](shared)))} as hash from ${table}`

/** A pass over a table whose answer is the same in both engines. */
export const sharedSql = (hash: (typeof sharedHashes)[number], engine: Engine, table: string): string =>
  statement(engine, digits[hash][engine], true, table)

export const mariadbSql = (hash: (typeof mariadbHashes)[number], table: string): string =>
  statement('mariadb', digits[hash].mariadb, false, table)
