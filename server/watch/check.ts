import type { Answer, Metric, ProbeContext } from '../../checks/probe.ts'
import type { Rule } from '../evaluate/rule.ts'
import type { Fault } from '../fault.ts'

/** A probe aimed at something, on a schedule, with its target already bound. */
export interface Check {
  /** `<pipeline>.<name>`, unique. */
  readonly id: string
  readonly pipeline: string
  readonly probe: string
  readonly everyMs: number
  readonly timeoutMs: number
  readonly paused: boolean
  /** The connections it opens, so that one dead system is told as one fact. */
  readonly connections: readonly string[]
  readonly rules: readonly Rule[]
  /** Every number it may report, its probe's and those its target names: for help texts and units. */
  readonly metrics: Readonly<Record<string, Metric>>
  /** How long its target may stand still with work to do before that is called stalled; `stillMsOf` has the default. */
  readonly stillMs: number
  measure(context: ProbeContext): Promise<Answer>
}

/** What one run of a check saw. A silence always carries its fault. */
export type Observation = { readonly check: string; readonly at: Date; readonly tookMs: number } & Outcome

type Outcome = ({ readonly answered: true } & Answer) | { readonly answered: false; readonly fault: Fault }
