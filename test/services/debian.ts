import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { once } from './run.ts'

const run = promisify(execFile)
const installTimeoutMs = 10 * 60_000

/** What a package must bring, and where it may lie beside the PATH. */
export interface Part {
  readonly binary: string
  readonly package: string
  readonly folders?: () => Promise<readonly string[]>
}

/**
 * The path of an installed program; on Debian as root it is installed when it is missing.
 * @throws Error saying what to install when that cannot be done here.
 */
export async function program(part: Part): Promise<string> {
  const present = await find(part)
  if (present) return present

  const { package: name, binary } = part
  await once(`install-${name}`, () => install(name, binary))
  const installed = await find(part)
  if (!installed) throw new Error(`${name} was installed, and brought no ${binary}: install one that does by hand.`)
  return installed
}

async function find({ binary, folders }: Part): Promise<string | undefined> {
  const places = [...((await folders?.()) ?? []), ...(process.env.PATH ?? '').split(delimiter)]
  for (const place of places) {
    const path = join(place, binary)
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

// One lock for all runs of this machine: apt refuses a second copy of itself instead of waiting. The policy file keeps
// the packages from starting daemons: we start our own, on our own ports, and stop them.
const installScript = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod 755 $policy
fi
apt-get -q update
apt-get -q -y --no-install-recommends install "$1"`

async function install(name: string, binary: string): Promise<true> {
  const missing = `The tests need ${binary} (Debian package ${name}), and it is not installed.`
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '')
  if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(system) || process.getuid?.() !== 0) {
    throw new Error(`${missing} Install it: on Debian as root the tests would have run \`apt-get install ${name}\`.`)
  }
  try {
    await run('flock', ['/tmp/tallyman-test-install.lock', 'sh', '-c', installScript, 'install', name], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: installTimeoutMs,
      maxBuffer: 16 * 1024 * 1024,
    })
    return true
  } catch (cause) {
    const { stderr = '' } = cause as { stderr?: string }
    throw new Error(`${missing} \`apt-get install ${name}\` failed: ${stderr.trim().slice(-600)}`, { cause })
  }
}

/** The user and group of a name in /etc/passwd. */
export async function account(name: string): Promise<{ uid: number; gid: number } | undefined> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const [, uid, gid] = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(passwd) ?? []
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}
