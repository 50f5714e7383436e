import { resolve } from 'node:path'
import type { System } from '../../checks/probe.ts'
import { readConfig } from '../compose/place.ts'
import { openSystems, type Systems } from '../compose/systems.ts'
import { timers } from '../compose/timers.ts'
import { checksOf } from '../compose/watch.ts'
import { Fault } from '../fault.ts'
import type { Check, Observation } from '../watch/check.ts'
import { observe } from '../watch/observe.ts'
import { reconcileProbe } from '../watch/reconcile-check.ts'
import { readConfigFile } from '../config/file.ts'
import { readArguments } from './arguments.ts'

const flags = {
  config: { type: 'string', default: 'tallyman.yaml' },
  data: { type: 'string', default: '.tallyman' },
  json: { type: 'boolean', default: false },
} as const

interface Probed {
  readonly observation: Observation
  readonly trace: readonly string[]
}

/** Runs checks once, now, and shows what was asked and answered. Exit 3 when one did not answer. */
export async function probe(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, flags, 'probe --config F [CHECK…] [--json]')
  const file = values.config
  const config = readConfig(await readConfigFile(file), { file, env: process.env, data: resolve(values.data) })
  const checks = chosen(
    checksOf(config).filter((check) => check.probe !== reconcileProbe),
    positionals,
  )

  const systems = openSystems(timers.after)
  await systems.replace(config.connections)
  try {
    let silent = 0
    for (const check of checks) {
      const probed = await probeOnce(check, systems)
      if (!probed.observation.answered) silent += 1
      process.stdout.write(values.json ? `${JSON.stringify(jsonOf(probed), bigintText)}\n` : textOf(probed))
    }
    return silent > 0 ? 3 : 0
  } finally {
    await systems.close()
  }
}

function chosen(checks: readonly Check[], names: readonly string[]): readonly Check[] {
  const known = checks.map(({ id }) => id)
  const strange = names.find((name) => !known.includes(name))
  if (strange) {
    throw new Fault('usage', `There is no check "${strange}".`, {
      hint: `The config has: ${known.join(', ') || 'none'}.`,
    })
  }
  return names.length > 0 ? checks.filter(({ id }) => names.includes(id)) : checks
}

async function probeOnce(check: Check, systems: Systems): Promise<Probed> {
  const trace: string[] = []
  const context = {
    signal: new AbortController().signal,
    connection: <S extends System>(_: S, name: string) => systems.postgres(name),
    now: timers.now,
    trace: (line: string) => void trace.push(line),
  }
  return { observation: await observe(check, context, timers), trace }
}

const bigintText = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

function jsonOf({ observation, trace }: Probed) {
  if (observation.answered) return { ...observation, trace }
  const { code, message, hint } = observation.fault
  return { ...observation, fault: { code, message, hint }, trace }
}

function textOf({ observation, trace }: Probed): string {
  const { check, tookMs, answered } = observation
  const lines = answered
    ? [
        ...observation.readings.map(({ metric, value }) => `${metric} ${value}`),
        ...(observation.positions ?? []).map(
          ({ hop, source, target, unit, exact }) =>
            `${hop}: source ${source ?? 'unknown'}, target ${target ?? 'unknown'} (${unit})` +
            (exact ? `, ${exact.seconds} s behind by ${exact.method}` : ''),
        ),
      ]
    : [`did not answer: ${observation.fault.message}`, observation.fault.hint]
  return [
    `${check}  ${Math.round(tookMs)} ms`,
    ...trace.map((line) => `  · ${line}`),
    ...lines.map((line) => `  ${line}`),
    '',
    '',
  ].join('\n')
}
