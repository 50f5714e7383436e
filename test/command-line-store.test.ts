import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { client } from './client.ts'
import { eventually } from './services/process.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { scratchFolder } from './services/run.ts'
import { runTallyman, startTallyman } from './services/tallyman.ts'

const rows = 200
const fill = `
  create table good (id int primary key, name text);
  insert into good select n, 'name ' || n from generate_series(1, ${rows}) n;
  create table bad (like good including all);
  insert into bad table good`
const spoil = `update bad set name = 'old' where id <= 5; delete from bad where id between 11 and 13`

let databases: TestDatabase[]
let target: Sql
let folder: string
beforeAll(async () => {
  const server = await postgresServer()
  databases = [await server.createDatabase('source'), await server.createDatabase('target')]
  for (const { url } of databases) {
    const sql = postgres(url, { max: 1, onnotice() {} })
    await sql.unsafe(fill).simple()
    await sql.end()
  }
  target = postgres(databases[1]!.url, { max: 1, onnotice() {} })
  folder = await scratchFolder('command-line')
})
afterAll(async () => {
  await target?.end()
  for (const database of databases ?? []) await database.drop()
})

const pair = (id: string, more: Record<string, unknown> = {}) => ({
  id,
  source: { table: `crm.${id}` },
  target: { table: `billing.${id}` },
  key: ['id'],
  settle: { wait: '50ms', tries: 1 },
  corrections: { limit: { ratio: 1 } },
  ...more,
})
const configText = (store?: string) => {
  const [crm, billing] = databases.map(({ url }) => ({ url: url.replace('postgres@', 'postgres:hunter2@') }))
  const pairs = [pair('good'), pair('bad'), { ...pair('gone'), source: { table: 'crm.nothing' } }]
  const things = { title: 'Things', pattern: 'batch', tier: 'reference', owner: 'team-things', pairs }
  return JSON.stringify({ ...(store ? { store } : {}), connections: { crm, billing }, pipelines: { things } })
}

const differing = async () => {
  const [row] = await target<[{ rows: number }]>`
    select (select count(*) from good) - count(*) filter (where g.name = b.name) as rows from good g join bad b using (id)`
  return Number(row.rows)
}

describe.each(['embedded', 'postgres'] as const)('tallyman reconcile, on a store of kind %s', (kind) => {
  let store: TestDatabase | undefined
  let file: string
  let data: string
  beforeAll(async () => {
    if (kind === 'postgres') store = await (await postgresServer()).createDatabase('store')
    file = join(folder, `${kind}.yaml`)
    data = join(folder, kind)
    await writeFile(file, configText(store?.url))
    await target.unsafe(spoil).simple()
  })
  afterAll(() => store?.drop())

  const all: Awaited<ReturnType<typeof runTallyman>>[] = []
  const reconcile = async (...args: string[]) => {
    const result = await runTallyman(['reconcile', '--config', file, '--data', data, ...args])
    all.push(result)
    return result
  }

  it('exits 0 when the copies agree', async () => {
    expect(await reconcile('good')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^good: match, match ratio 1 \(run [0-9a-f-]{36}\)/),
      stderr: '',
    })
  })

  it('exits 1 when they differ, and only proposes', async () => {
    const { code, stdout } = await reconcile('bad')
    expect(code).toBe(1)
    expect(stdout).toContain('missing 3, extra 0, changed 5')
    expect(stdout).toContain('8 proposed')
    expect(await differing()).toBe(8)
  })

  it('exits as the worst of several pairs', async () => {
    const { code, stdout } = await reconcile('good', 'bad')
    expect(code).toBe(1)
    expect(stdout).toMatch(/^good: match.*^bad: drift/ms)
  })

  it('prints one object of the contract with --json', async () => {
    const { code, stdout } = await reconcile('bad', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      run: expect.stringMatching(/^[0-9a-f-]{36}$/),
      verdict: 'drift',
      rows: { source: rows, target: rows - 3 },
      differences: { missing: 3, extra: 0, changed: 5 },
      matchRatio: (rows - 8) / rows,
      truncated: false,
      method: 'native',
      corrections: { proposed: 8 },
      items: expect.arrayContaining([
        { kind: 'changed', key: { id: 1 }, fields: { name: { source: 'name 1', target: 'old' } } },
      ]),
    })
  })

  it('exits 3 when it could not be told', async () => {
    const { code, stdout, stderr } = await reconcile('gone')
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toContain('nothing')
  })

  it('exits 2 when it is not asked right', async () => {
    for (const args of [[], ['bad', '--mode', 'some'], ['bad', '--dry-run']]) {
      expect(await reconcile(...args)).toMatchObject({ code: 2, stdout: '' })
    }
    expect(await reconcile('worse')).toMatchObject({
      code: 2,
      stderr: 'There is no pair "worse".\nThe config has: good, bad, gone.\n',
    })
  })

  it('leaves runs that a server shows, and puts right beside it what differs', { timeout: 180_000 }, async () => {
    const tallyman = await startTallyman({ config: configText(store?.url), args: ['--data', data] })
    try {
      const api = client(tallyman)
      const before = await api.runs('bad')
      expect(before.map(({ trigger, state, verdict }) => ({ trigger, state, verdict }))).toEqual([
        { trigger: 'cli', state: 'waiting', verdict: 'drift' },
        // A newer look at the same rows takes back what the older ones proposed.
        { trigger: 'cli', state: 'done', verdict: 'drift' },
        { trigger: 'cli', state: 'done', verdict: 'drift' },
      ])

      const { code, stdout } = await reconcile('bad', '--apply')
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('8 applied') })
      expect(stdout).toContain('after writing: match')
      expect(await differing()).toBe(0)

      const [newest] = await api.runs('bad')
      expect(newest).toMatchObject({ trigger: 'cli', state: 'done', applied: 8 })
      expect(stdout).toContain(newest!.id)
      expect((await reconcile('bad')).code).toBe(0)
    } finally {
      await tallyman.stop()
    }
  })

  it('never showed a password', () => {
    expect(all.length).toBeGreaterThan(8)
    for (const { stdout, stderr } of all) expect(stdout + stderr).not.toContain('hunter2')
  })
})

describe('tallyman token', () => {
  const data = () => join(folder, 'tokens')
  const create = (...args: string[]) => runTallyman(['token', ...args, '--data', data()])

  it('refuses a role that there is not, and any verb but create', async () => {
    for (const args of [[], ['create'], ['create', '--role', 'root'], ['remove', '--role', 'admin']]) {
      expect(await create(...args)).toMatchObject({ code: 2, stdout: '' })
    }
  })

  it('is not needed on this machine, and no other is let in without one', async () => {
    await writeFile(join(folder, 'open.yaml'), configText())
    const open = ['serve', '--config', join(folder, 'open.yaml'), '--data', data(), '--port', '0', '--host', '0.0.0.0']
    expect(await runTallyman(open)).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('Listening on 0.0.0.0 would let anybody in: there is no token yet.'),
    })
  })

  it('opens a server to its role, from the moment there is one', { timeout: 180_000 }, async () => {
    const tallyman = await startTallyman({ config: configText(), args: ['--data', data()] })
    try {
      expect((await tallyman.get('/api/v1/overview')).status).toBe(200)

      // Beside the running server, on the store that it has open.
      const made = await create('create', '--role', 'viewer', '--name', 'the wall')
      expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^tly_[A-Za-z0-9_-]{43}\n$/) })
      const operator = await create('create', '--role', 'operator')
      await eventually('the server to ask for tokens', async () => {
        const { status } = await tallyman.get('/api/v1/overview')
        return status === 401 || undefined
      })

      const as = (token: string, path: string, method = 'GET') =>
        tallyman.get(path, {
          method,
          headers: { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/json' },
          ...(method === 'POST' ? { body: '{}' } : {}),
        })
      const run = '/api/v1/pairs/good/runs'
      expect((await as(made.stdout, '/api/v1/overview')).status).toBe(200)
      const refused = await as(made.stdout, run, 'POST')
      expect(refused.status).toBe(403)
      expect(await refused.json()).toMatchObject({
        code: 'forbidden',
        message: 'the wall is viewer; this needs operator.',
      })
      expect((await as(operator.stdout, run, 'POST')).status).toBe(202)
      expect((await as(`tly_${'x'.repeat(43)}`, '/api/v1/overview')).status).toBe(401)
      expect((await tallyman.get('/metrics')).status).toBe(401)
      expect((await as(made.stdout, '/metrics')).status).toBe(200)
      expect((await tallyman.get('/livez')).status).toBe(200)

      // It is still so after a restart, and now strangers may be let in, for they need a token.
      await tallyman.stop()
      await tallyman.restart()
      expect((await tallyman.get('/api/v1/overview')).status).toBe(401)
      expect(await tallyman.log()).not.toContain(made.stdout.trim())
    } finally {
      await tallyman.stop()
    }
    const open = await startTallyman({ config: configText(), args: ['--data', data(), '--host', '0.0.0.0'] })
    expect((await open.get('/api/v1/overview')).status).toBe(401)
    await open.stop()
  })
})
