import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { sign } from '../server/notify/signature.ts'

type Verifier = (secret: string, body: string, header: string | undefined, nowMs?: number) => boolean

/** The TypeScript example of the page, as a reader would paste it. */
async function documented(): Promise<Verifier> {
  const page = readFileSync(new URL('../docs/webhooks.md', import.meta.url), 'utf8')
  const [, example] = /```ts\n([\s\S]*?)```/.exec(page) ?? []
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
  const { outputText } = ts.transpileModule(example!, { compilerOptions: options })
  const loaded = await import(`data:text/javascript;base64,${Buffer.from(outputText).toString('base64')}`)
  return loaded.isFromTallyman
}

describe('the example receiver in docs/webhooks.md', () => {
  const secret = 'a-secret-of-the-receiver'
  const body = '{"what":"über 412 s"}'
  const at = new Date('2026-03-01T10:00:00Z')
  const header = sign(secret, body, at)

  it('takes what we sign', async () => {
    const isFromTallyman = await documented()
    expect(isFromTallyman(secret, body, header, at.getTime())).toBe(true)
  })

  it('refuses another secret, another body, an old delivery and no signature', async () => {
    const isFromTallyman = await documented()
    expect(isFromTallyman('another-secret', body, header, at.getTime())).toBe(false)
    expect(isFromTallyman(secret, '{}', header, at.getTime())).toBe(false)
    expect(isFromTallyman(secret, body, header, at.getTime() + 300_001)).toBe(false)
    expect(isFromTallyman(secret, body, undefined, at.getTime())).toBe(false)
  })
})
