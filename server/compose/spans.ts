import { SpanStatusCode, trace, type Attributes } from '@opentelemetry/api'

const tracer = trace.getTracer('tallyman')

/**
 * One span around one turn of a check, one run or one notice: never around a row. Without an SDK, which is the operator's
 * to preload, it costs nothing and goes nowhere.
 */
export const spanned = <T>(name: string, attributes: Attributes, job: () => Promise<T>): Promise<T> =>
  tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await job()
    } catch (thrown) {
      // The kind of error alone: its words may quote data.
      span.setStatus({ code: SpanStatusCode.ERROR })
      span.setAttribute('error.type', (thrown as { code?: string }).code ?? 'unknown')
      throw thrown
    } finally {
      span.end()
    }
  })
