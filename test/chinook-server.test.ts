import { readFile } from 'node:fs/promises'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser } from 'playwright-core'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chinookTables, loadChinook } from './chinook.ts'
import { client, type Client, type Differences } from './client.ts'
import { lose, naively, seeded, sheetOf, type Sheet } from './lossy-sync.ts'
import { openBrowser } from './services/chromium.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'

/** Parents first. */
const tables = Object.keys(chinookTables)
/** Nothing refers to these, so that a careless migration can lose their primary key. */
const unreferenced = ['invoice_line', 'playlist_track']
const slug = (table: string) => table.replaceAll('_', '-')

let databases: TestDatabase[]
let source: Sql
let target: Sql
let tallyman: Tallyman
let api: Client
const sheets = new Map<string, Sheet>()

beforeAll(async () => {
  const server = await postgresServer()
  databases = [await server.createDatabase('shop'), await server.createDatabase('copy')]
  const [shop, copy] = databases as [TestDatabase, TestDatabase]
  source = postgres(shop.url, { max: 2, onnotice() {} })
  target = postgres(copy.url, { max: 2, onnotice() {} })
  await Promise.all([loadChinook(source), loadChinook(target)])
  for (const table of tables) sheets.set(table, await sheetOf(source, table, chinookTables[table]!))
  for (const table of unreferenced) await target.unsafe(`alter table "${table}" drop constraint "${table}_pkey"`)

  const config = {
    connections: { shop: { url: shop.url }, copy: { url: copy.url } },
    pipelines: {
      shop: {
        title: 'Music shop to its copy',
        pattern: 'batch',
        tier: 'operational',
        owner: 'team-shop',
        runbook: 'https://wiki.example/runbooks/shop',
        checks: [
          {
            probe: 'sql',
            id: 'songs',
            every: '2s',
            timeout: '1s',
            connection: 'copy',
            query: 'select count(*) as songs from track',
            metrics: { songs: { help: 'Songs in the copy.', unit: 'records' } },
            rules: [{ metric: 'songs', above: 1, for: '0s', severity: 'warn' }],
          },
        ],
        pairs: tables.map((table) => ({
          id: slug(table),
          source: { table: `shop.${table}` },
          target: { table: `copy.${table}` },
          key: chinookTables[table],
          deletes: 'hard',
          settle: { wait: '50ms', tries: 1 },
          corrections: { limit: { ratio: 1, deletes: 1_000 } },
        })),
      },
    },
  }
  tallyman = await startTallyman({ config: JSON.stringify(config) })
  api = client(tallyman)
})
afterAll(async () => {
  await tallyman?.stop()
  await Promise.all([source?.end({ timeout: 2 }), target?.end({ timeout: 2 })])
  for (const database of databases ?? []) await database.drop()
})

async function spoil(seed: number) {
  const random = seeded(seed)
  for (const table of tables) {
    await lose(target, sheets.get(table)!, random, { each: 5, twice: unreferenced.includes(table) })
  }
}

/** One run of every pair, all asked for at once, by table. */
async function reconcileAll() {
  const ids = new Map<string, string>()
  for (const table of tables) ids.set(table, await api.request(slug(table)))
  const ended = await Promise.all([...ids].map(async ([table, id]) => [table, await api.ended(id)] as const))
  return new Map(ended)
}

/** A difference of the API in the words of the naive comparison: `changed 5 email,phone`, `missing 7`. */
function inWords({ kind, key, fields, duplicated }: Differences['items'][number]): string {
  const columns = kind === 'changed' && !duplicated ? ` ${fields.map(({ column }) => column).join(',')}` : ''
  return `${kind} ${Object.values(key).join('|')}${columns}`
}

const naiveWords = async (table: string) =>
  naively(sheets.get(table)!, await sheetOf(target, table, chinookTables[table]!))

describe.each([1001, 1004])('a music shop whose copy a lossy sync has made (seed %i), watched by a server', (seed) => {
  const runs = new Map<string, string>()
  let differed = 0

  it('is compared as by hand, in all its eleven tables', async () => {
    await spoil(seed)
    for (const [table, run] of await reconcileAll()) {
      const expected = await naiveWords(table)
      const { total, items } = await api.differences(run.id)
      expect({ table, total, words: items.map(inWords).toSorted() }).toEqual({
        table,
        total: expected.length,
        words: expected,
      })
      expect(run).toMatchObject({ verdict: expected.length === 0 ? 'match' : 'drift', blocked: null })
      runs.set(table, run.id)
      differed += expected.length
    }
    expect(differed).toBeGreaterThan(tables.length)
  })

  it('is put right, parents first, once somebody approves', async () => {
    let applied = 0
    for (const [table, id] of runs) {
      const { items } = await api.differences(id)
      if (items.length === 0) continue
      // One by its name, as somebody does who looks at each, then the rest.
      const one = { ids: [items[0]!.correction!.id] }
      expect(await api.post(`/api/v1/runs/${id}/corrections/approve`, one)).toEqual({ decided: 1 })
      await api.runWhen(id, 'through the one', ({ corrections }) => corrections.applied === 1)
      expect(await api.approveAll(id)).toBe(items.length - 1)
      const run = await api.runWhen(id, 'done', ({ state }) => state === 'done')
      const { applied: some = 0, ...others } = run.corrections
      expect({ table, others, after: run.after?.verdict }).toEqual({ table, others: {}, after: 'match' })
      applied += some
    }
    expect(applied).toBe(differed)
  })

  it('agrees afterwards, in all of them', async () => {
    for (const [table, run] of await reconcileAll()) {
      expect({ table, verdict: run.verdict, ratio: run.matchRatio }).toEqual({ table, verdict: 'match', ratio: 1 })
      expect(await naiveWords(table)).toEqual([])
    }
  })
})

describe('the dashboard of that shop, in a browser', () => {
  let browser: Browser
  let spoiled: ReadonlyMap<string, { readonly id: string; readonly proposed: number }>
  beforeAll(async () => {
    browser = await openBrowser()
    await spoil(1002)
    spoiled = await reconcileAll()
  })
  afterAll(() => browser?.close())

  it('leads from a part of the key space to its rows, and exports only those', { timeout: 120_000 }, async () => {
    const [, run] = [...spoiled].find(([table, { id }]) => table === 'track' && id)!
    const { buckets } = await api.run(run.id)
    const index = buckets.findIndex(({ state }) => state === 'differing')
    const { from, to } = buckets[index]!
    const path = `/api/v1/runs/${run.id}/differences`
    const { total } = await api.ask<Differences>(`${path}?from=${from}&to=${to}`)
    const all = (await api.differences(run.id)).total
    expect(total).toBeGreaterThan(0)
    expect(total).toBeLessThan(all)

    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true })
    const page = await context.newPage()
    await page.goto(`${tallyman.url}/runs/${run.id}`)
    const strip = page.getByRole('slider', { name: 'Key space' })
    const { x, y, width } = (await strip.boundingBox())!
    await page.mouse.click(x + ((index + 0.5) / buckets.length) * width, y + 30)
    await page.waitForURL(`**/runs/${run.id}?keys=${from}..${to}`)
    const list = page.getByRole('region', { name: 'Differences' })
    await list.getByText(`${total} in `).waitFor()

    await page.getByText('Export', { exact: true }).click()
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByText('CSV, a line a field').click()])
    const csv = (await readFile(await file.path(), 'utf8')).trimEnd().split('\r\n').slice(1)
    expect(new Set(csv.map((line) => line.split(',')[0])).size).toBe(total)
    const script = await tallyman.get(`${path}.sql?side=source&from=${from}&to=${to}`)
    expect((await script.text()).match(/^(insert|update|delete) /gm)).toHaveLength(total)

    await strip.focus()
    await page.keyboard.press('Escape')
    await page.waitForURL(`**/runs/${run.id}`)
    for (const key of ['Home', 'PageDown', 'Enter']) await page.keyboard.press(key)
    await page.waitForURL((url) => url.searchParams.has('keys'))
    await page.getByRole('button', { name: 'List all differences' }).click()
    await page.waitForURL(`**/runs/${run.id}`)
    await context.close()
  })

  it('leads from the overview to a run, and puts its rows right at a click', { timeout: 120_000 }, async () => {
    const [table, { id, proposed }] = [...spoiled].find(([, run]) => run.proposed > 0)!
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
    const page = await context.newPage()
    const mistakes: string[] = []
    page.on('pageerror', (thrown) => mistakes.push(String(thrown)))
    page.on('console', (message) => message.type() === 'error' && mistakes.push(message.text()))

    await page.goto(tallyman.url)
    await page.getByRole('link', { name: 'Music shop to its copy' }).first().click()
    await page.waitForURL('**/pipelines/shop')
    await page
      .getByRole('article')
      .filter({ hasText: `shop.public.${table} ` })
      .getByRole('link')
      .last()
      .click()
    await page.waitForURL(`**/runs/${id}`)

    await page.getByRole('button', { name: `Approve all ${proposed}` }).click()
    await page.getByText(/^Write .* to copy\.public\./).waitFor()
    await page.getByRole('button', { name: `Write ${proposed}` }).click()
    await page.getByText('The corrected keys agree now.').waitFor()
    expect(await page.getByRole('region', { name: 'What was written' }).innerText()).toContain(`${proposed} written`)
    expect(mistakes).toEqual([])

    expect(await api.run(id)).toMatchObject({ state: 'done', corrections: { applied: proposed } })
    expect(await naiveWords(table)).toEqual([])
    await context.close()
  })

  it.each([
    [1440, 'light'],
    [1440, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)('keeps nobody out, at %i px in %s colours', { timeout: 180_000 }, async (width, colorScheme) => {
    const [, { id }] = [...spoiled].findLast(([, run]) => run.proposed > 0)!
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' })
    const page = await context.newPage()
    const pages = {
      '/': 'Music shop to its copy',
      '/pipelines/shop': 'Music shop to its copy',
      [`/runs/${id}`]: 'Differences',
      '/alerts': 'songs',
    }
    for (const [path, text] of Object.entries(pages)) {
      await page.goto(tallyman.url + path)
      await page.getByText(text).filter({ visible: true }).first().waitFor()
      const { violations } = await new AxeBuilder({ page }).analyze()
      const found = violations.map(({ id, nodes }) => `${path} ${id}: ${nodes.map(({ target }) => target).join(' ')}`)
      expect(found).toEqual([])
      // Nothing hangs over the edge of a phone either.
      const overhang = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      )
      expect({ path, overhang }).toEqual({ path, overhang: 0 })
    }
    await context.close()
  })

  it('was not the last word: every table agrees once the rest is approved', async () => {
    for (const { id } of spoiled.values()) {
      const { proposed } = await api.run(id)
      if (proposed === 0) continue
      await api.approveAll(id)
      expect(await api.runWhen(id, 'done', ({ state }) => state === 'done')).toMatchObject({
        after: { verdict: 'match' },
      })
    }
    for (const [table, run] of await reconcileAll()) {
      expect({ table, verdict: run.verdict }).toEqual({ table, verdict: 'match' })
    }
  })
})
