import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { program } from './debian.ts'
import { answering, freePort, startProcess } from './process.ts'
import { scratchFolder } from './run.ts'

export interface PromtoolResult {
  readonly ok: boolean
  /** Both streams, in the order of stdout, then stderr. */
  readonly output: string
}

/** Installs it when it is missing, which setup.ts does before the clock of any test runs. */
export const prepare = (): Promise<string> => program({ binary: 'prometheus', package: 'prometheus' })

/** Runs Debian's promtool, installing it when it is missing. `input` goes to its standard input. */
export async function promtool(args: readonly string[], input = ''): Promise<PromtoolResult> {
  const path = await program({ binary: 'promtool', package: 'prometheus' })
  return new Promise((resolve, reject) => {
    const child = execFile(path, args, { timeout: 60_000 }, (fault, stdout, stderr) => {
      if (fault && typeof fault.code !== 'number') reject(fault)
      else resolve({ ok: !fault, output: stdout + stderr })
    })
    child.stdin?.end(input)
  })
}

export interface PrometheusAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}

export interface PrometheusSample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Prometheus {
  readonly url: string
  /** An instant query. @throws Error with Prometheus' own words when it refuses it. */
  query(promql: string): Promise<readonly PrometheusSample[]>
  alerts(): Promise<readonly PrometheusAlert[]>
  stop(): Promise<void>
}

/** Starts a real Prometheus on a free port with the text of a prometheus.yml, in a folder that also holds `files`. */
export async function startPrometheus(
  config: string,
  files: Readonly<Record<string, string>> = {},
): Promise<Prometheus> {
  const command = await prepare()
  const folder = await scratchFolder('prometheus')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const configFile = join(folder, 'prometheus.yml')
  for (const [name, text] of Object.entries({ ...files, 'prometheus.yml': config })) {
    await writeFile(join(folder, name), text)
  }

  const running = await startProcess({
    command,
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    log: join(folder, 'log'),
  })
  await answering('Prometheus', running, async () => (await fetch(`${url}/-/ready`)).ok)
  return { url, query: (promql) => query(url, promql), alerts: () => alerts(url), stop: () => running.stop() }
}

async function query(url: string, promql: string): Promise<PrometheusSample[]> {
  type Series = { metric: Record<string, string>; value: [at: number, text: string] }
  const { result } = await ask<{ result: Series[] }>(`${url}/api/v1/query?query=${encodeURIComponent(promql)}`)
  return result.map(({ metric, value: [, text] }) => ({ labels: metric, value: Number(text) }))
}

const alerts = async (url: string) => (await ask<{ alerts: PrometheusAlert[] }>(`${url}/api/v1/alerts`)).alerts

async function ask<Data>(url: string): Promise<Data> {
  const answer = (await (await fetch(url)).json()) as { status: string; data: Data; error?: string }
  if (answer.status !== 'success') throw new Error(`Prometheus: ${answer.error}`)
  return answer.data
}
