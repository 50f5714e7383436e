import { Fault } from '../fault.ts'

/** What a worker holds a run by: once it was not renewed for long, another worker may take the run over. */
export interface Lease {
  /** Renews it, for longer than a batch takes. @throws Fault `conflict` when another worker has taken the run over. */
  renew(): Promise<void>
  /** Whether it was renewed so lately that nobody can have taken the run over. Costs nothing. */
  lasts(): boolean
}

export const takenOver = (run: string): Fault =>
  new Fault('conflict', `Run ${run} was taken over by another worker.`, {
    hint: 'This one stood still for longer than its lease lasts. It has written nothing since, and the other goes on.',
  })
