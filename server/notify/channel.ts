import { z } from 'zod'
import type { Channel, ChannelKind } from './kind.ts'
import { webhook } from './webhook.ts'

/** Every kind of channel this build can send by. A new one is one new file and one new line here. */
const channelKinds: readonly ChannelKind[] = [webhook]

const kindNames = channelKinds.map(({ name }) => name)

/** A channel of the config: whom it is for, and how to open it under the name it has there. */
export interface ConfiguredChannel {
  readonly kind: string
  readonly severities?: readonly ('warn' | 'crit')[] | undefined
  open(name: string): Channel
}

const route = z.strictObject({
  severities: z
    .array(z.enum(['warn', 'crit']))
    .min(1)
    .optional()
    .describe('Which severities it is told; both when left out.'),
})

/** One entry of `channels` in the config: `{ webhook: { url, … }, severities? }`, exactly one kind. */
export const channelSchema = route
  .extend(
    Object.fromEntries(
      channelKinds.map(({ name, settings }) => [name, settings.optional().describe(`Tells by ${name}.`)]),
    ),
  )
  .transform((entry, context): ConfiguredChannel => {
    // The kinds are a list, so their keys are not in the entry's type; each value was parsed by its own kind above.
    const given = entry as z.output<typeof route> & Readonly<Record<string, unknown>>
    const chosen = channelKinds.filter(({ name }) => given[name] !== undefined)
    const [kind] = chosen
    if (!kind || chosen.length > 1) {
      context.addIssue({ code: 'custom', message: `give exactly one of: ${kindNames.join(', ')}` })
      return z.NEVER
    }
    const { severities } = given
    return { kind: kind.name, severities, open: (name) => kind.open(name, given[kind.name]) }
  })
