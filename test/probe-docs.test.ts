import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { signals } from '../checks/probe.ts'
import { probes } from '../checks/registry.ts'
import { duration } from '../server/connect/duration.ts'
import { ruleProblems, ruleSchema } from '../server/evaluate/rule.ts'
import { metricsOf } from '../server/evaluate/derived.ts'

const pageOf = (name: string) => fileURLToPath(new URL(`../docs/probes/${name}.md`, import.meta.url))
const blocks = (page: string, language: string) =>
  [...page.matchAll(new RegExp('```' + language + '\\n([\\s\\S]*?)```', 'g'))].map(([, text]) => text!)

interface WrittenCheck {
  readonly probe: string
  readonly every: string
  readonly rules?: readonly unknown[]
}

describe.each(probes.map((probe) => [probe.name, probe] as const))('the probe %s', (name, probe) => {
  it('has a page', () => {
    expect(existsSync(pageOf(name))).toBe(true)
  })

  const page = existsSync(pageOf(name)) ? readFileSync(pageOf(name), 'utf8') : ''

  it('lists every reading with its unit, its signal and the words of its help', () => {
    const rows = Object.entries(probe.metrics).map(
      ([metric, { unit, signal, help }]) => `| \`${metric}\` | ${unit} | ${signal ? `${signal} ` : ''}| ${help} |`,
    )
    for (const row of rows) expect(page).toContain(row)
    expect([...page.matchAll(/^\| `[a-z_]+` \| (seconds|records|ratio|per_second) \|/gm)]).toHaveLength(rows.length)
  })

  it('lists the privileges the probe states', () => {
    expect(blocks(page, 'sql')[0]?.trim()).toBe(probe.grants)
  })

  it('lists every key of its target', () => {
    for (const key of Object.keys(probe.target.shape)) expect(page).toContain(`| \`${key}\` |`)
  })

  it('shows a config that is right', () => {
    const checks = blocks(page, 'yaml').flatMap((text) => (parse(text) as { checks: WrittenCheck[] }).checks)
    expect(checks.length).toBeGreaterThan(0)
    for (const { probe: written, every, rules = [], ...target } of checks) {
      expect(written).toBe(name)
      expect(duration.parse(every)).toBeGreaterThan(0)
      const aimed = probe.target.parse(target)
      expect(
        ruleProblems(
          metricsOf(probe, aimed),
          rules.map((rule) => ruleSchema.parse(rule)),
        ),
      ).toEqual([])
    }
  })

  it('declares metrics whose names end in their unit, and signals that exist', () => {
    for (const [metric, { unit, signal, help }] of Object.entries(probe.metrics)) {
      if (unit === 'seconds' || unit === 'ratio') expect(metric.endsWith(`_${unit}`)).toBe(true)
      if (signal) expect(signals).toContain(signal)
      expect(help).toMatch(/^[A-Z].*\.$/)
    }
  })
})
