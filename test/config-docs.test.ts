import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { probes } from '../checks/registry.ts'
import { configTables } from './config-tables.ts'

const file = new URL('../docs/configuration.md', import.meta.url)
const block = /(<!-- keys: (\w+) -->\n)[^]*?(<!-- end -->)/g

it('docs/configuration.md has a row for every key of the config (run with -u to write them)', async () => {
  const tables = configTables(probes)
  const named = new Set<string>()
  const written = readFileSync(file, 'utf8').replace(block, (_, open: string, name: string, close: string) => {
    named.add(name)
    return `${open}\n${tables.get(name)}\n\n${close}`
  })
  expect([...named]).toEqual([...tables.keys()])
  await expect(written).toMatchFileSnapshot(file.pathname)
})
