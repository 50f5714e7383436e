import { chromium, type Browser } from 'playwright-core'
import { program } from './debian.ts'

// Nothing but the page under test: no updates, no sync, no first-run page, and no QUIC beside plain HTTP.
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A real Chromium without a window: the one in TALLYMAN_TEST_CHROMIUM, else Debian's. Close it after the tests. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: await prepare(), args: flags })
}

/** Installs it when it is missing, which setup.ts does before the clock of any test runs. */
export const prepare = async (): Promise<string> =>
  process.env.TALLYMAN_TEST_CHROMIUM ?? (await program({ binary: 'chromium', package: 'chromium' }))
