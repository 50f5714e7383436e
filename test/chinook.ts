import { readFile } from 'node:fs/promises'
import type { Sql } from 'postgres'

/** Parents before those that refer to them. */
export const chinookTables: Readonly<Record<string, readonly string[]>> = {
  artist: ['artist_id'],
  genre: ['genre_id'],
  media_type: ['media_type_id'],
  employee: ['employee_id'],
  playlist: ['playlist_id'],
  album: ['album_id'],
  track: ['track_id'],
  customer: ['customer_id'],
  invoice: ['invoice_id'],
  invoice_line: ['invoice_line_id'],
  playlist_track: ['playlist_id', 'track_id'],
}

/** Fills an empty database with the Chinook music shop: 11 tables, 15,607 rows. */
export async function loadChinook(sql: Sql): Promise<void> {
  const script = await readFile(new URL('./data/chinook/postgres.sql', import.meta.url), 'utf8')
  await sql.unsafe(script.slice(script.indexOf('\\c chinook;') + '\\c chinook;'.length))
}
