import { rename, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { client, type Client } from './client.ts'
import { eventually } from './services/process.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'

/** A check that reports a number, and fires at once when that number is above 10. */
const numbered = (id: string, value: number) => ({
  probe: 'sql',
  id,
  every: '1s',
  timeout: '900ms',
  connection: 'crm',
  query: `select ${value} as numbers`,
  metrics: { numbers: { help: 'A number.', unit: 'records' } },
  rules: [{ metric: 'numbers', above: 10, for: '0s', recoverFor: '0s', severity: 'crit' }],
})
type Check = ReturnType<typeof numbered>

let database: TestDatabase
let other: TestDatabase
let tallyman: Tallyman
let api: Client

const configOf = (checks: readonly Check[], url = database.url) =>
  JSON.stringify({
    connections: { crm: { url } },
    pipelines: {
      numbers: { title: 'Numbers', pattern: 'batch', tier: 'reference', owner: 'team-crm', checks },
    },
  })

/** What each check that there is has read last. */
async function readings() {
  const { checks } = await api.pipeline('numbers')
  return Object.fromEntries(checks.map(({ name, readings }) => [name, readings[0]?.value]))
}
const openAlerts = async () =>
  (await api.alerts()).open.map(({ id, rule, since, status }) => ({ id, rule, since, status }))
const metricLines = async (name: string) =>
  (await (await tallyman.get('/metrics')).text()).split('\n').filter((line) => line.startsWith(name))
const runsOf = async (check: string) => {
  const [line] = await metricLines(`tallyman_probe_runs_total{pipeline="numbers",probe="sql",check="numbers.${check}"`)
  return Number(line?.split(' ')[1])
}
const configFault = async () => (await api.overview()).monitor.configFault
const until = (what: string, holds: () => Promise<boolean>) =>
  eventually(what, async () => (await holds()) || undefined, 30_000)

beforeAll(async () => {
  const server = await postgresServer()
  database = await server.createDatabase('crm')
  other = await server.createDatabase('crm_two')
  tallyman = await startTallyman({ config: configOf([numbered('kept', 50), numbered('leaving', 60)]) })
  api = client(tallyman)
  await until('both alerts', async () => (await openAlerts()).filter(({ status }) => status === 'firing').length === 2)
})
afterAll(async () => {
  await tallyman?.stop()
  await database?.drop()
  await other?.drop()
})

describe('a running server whose config file is changed', () => {
  it('begins what is new, ends what is gone, and keeps the state of what stays', async () => {
    expect(await readings()).toEqual({ kept: 50, leaving: 60 })
    const before = (await openAlerts()).find(({ rule }) => rule.startsWith('numbers.kept.'))
    const ran = await runsOf('kept')
    expect(ran).toBeGreaterThan(0)

    await writeFile(tallyman.configFile, configOf([numbered('kept', 50), numbered('arriving', 7)]))
    await until('the new check', async () => (await readings()).arriving === 7)

    expect(await readings()).toEqual({ kept: 50, arriving: 7 })
    expect(await metricLines('tallyman_probe_info')).toEqual([
      expect.stringContaining('numbers.kept'),
      expect.stringContaining('numbers.arriving'),
    ])
    await until('the alert of the gone one to end', async () => (await openAlerts()).length === 1)
    expect(await openAlerts()).toEqual([before])
    expect(await runsOf('kept')).toBeGreaterThanOrEqual(ran)
    expect(await configFault()).toBeNull()
  })

  it('keeps the old one while the new is wrong, says why, and stops nothing', async () => {
    const wrong = configOf([{ ...numbered('kept', 50), every: 'often' }], 'postgres://crm:hunter2@127.0.0.1/crm')
    await writeFile(tallyman.configFile, wrong)
    await until('the fault', async () => (await configFault()) !== null)

    const fault = await configFault()
    expect(fault).toMatch(/tallyman\.yaml:1:\d+/)
    expect(fault).toContain('every')
    expect(fault).not.toContain('hunter2')
    expect(await metricLines('tallyman_config_last_reload_successful ')).toEqual([
      'tallyman_config_last_reload_successful 0',
    ])
    expect((await tallyman.get('/readyz')).status).toBe(200)

    const ran = await runsOf('arriving')
    await until('the old checks to go on', async () => (await runsOf('arriving')) > ran + 1)
    expect(await readings()).toEqual({ kept: 50, arriving: 7 })
  })

  it('takes the next right one, also when it is moved into place', async () => {
    await writeFile(`${tallyman.configFile}.new`, configOf([numbered('kept', 50), numbered('arriving', 8)]))
    await rename(`${tallyman.configFile}.new`, tallyman.configFile)
    await until('the new query', async () => (await readings()).arriving === 8)
    expect(await configFault()).toBeNull()
    expect(await metricLines('tallyman_config_last_reload_successful ')).toEqual([
      'tallyman_config_last_reload_successful 1',
    ])
  })

  it('asks another database when a connection has another address', async () => {
    const named = {
      ...numbered('kept', 50),
      query: `select (current_database() = '${other.name}')::int + 50 as numbers`,
    }
    await writeFile(tallyman.configFile, configOf([named], other.url))
    await until('an answer of the other database', async () => (await readings()).kept === 51)
    expect((await openAlerts()).length).toBe(1)
  })

  it('starts again on what is in the file', async () => {
    const [before] = await openAlerts()
    // Also in good order: the connection that was left above waits half a minute for whoever still uses it.
    await tallyman.stop()
    expect(tallyman.ended()).toBe(0)
    await tallyman.restart()
    await until('an answer', async () => (await readings()).kept === 51)
    expect(await openAlerts()).toEqual([before])
  })
})
