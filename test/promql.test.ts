import { describe, expect, it } from 'vitest'
import { exposedIn, selectorsOf } from './promql.ts'

const metricsOf = (expression: string) => selectorsOf(expression).map(({ metric }) => metric)

describe('the metrics an expression names', () => {
  it.each([
    ['up', ['up']],
    ['sum by (pipeline) (rate(a_total{kind="b_total"}[5m]))', ['a_total']],
    ['sum(a) by (pipeline) / on (pipeline) group_left (team) b', ['a', 'b']],
    ['max by (a, b) (c > 0) unless on (d) e == bool 1 offset 5m', ['c', 'e']],
    ['time() - max_over_time(a{b=~"$pipeline"}[$__range:1m]) > 1e3', ['a']],
    ['histogram_quantile(0.9, sum by (le) (rate(a_bucket[$__rate_interval])))', ['a_bucket']],
    ['label_values(tallyman_pipeline_info, pipeline)', ['tallyman_pipeline_info']],
    ['label_replace(a, "b", "$1", "c", "(.*)") # and d', ['a']],
    ['topk(5, a) or vector(0) or {job="x"}', ['a']],
    ['clamp_max(a, +Inf) < bool NaN', ['a']],
  ])('of %s', (expression, metrics) => expect(metricsOf(expression)).toEqual(metrics))

  it('come with the labels they are chosen by', () => {
    expect(selectorsOf('a{b="c=d,e", f!~"$g"} + h{}')).toEqual([
      { metric: 'a', labels: ['b', 'f'] },
      { metric: 'h', labels: [] },
    ])
  })
})

describe('what an exposition offers', () => {
  it('is every metric, declared or sampled, with the labels seen on it', () => {
    const text =
      '# TYPE a gauge\na{b="1",c="x\\"}y"} 1\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\n# TYPE never counter\n'
    expect(Object.fromEntries([...exposedIn(text)].map(([name, labels]) => [name, [...labels]]))).toEqual({
      a: ['b', 'c'],
      h_bucket: ['le'],
      h_sum: [],
      h_count: [],
      never: [],
    })
  })
})
