import { describe, expect, it } from 'vitest'
import {
  ago,
  bytes,
  chosenRatio,
  clock,
  count,
  duration,
  exactly,
  keyText,
  measured,
  rate,
  ratio,
  seconds,
  secondsBetween,
  short,
  some,
  took,
  until,
  when,
} from '../web/format.ts'

const thin = '\u202f'
/** Expectations are written with plain spaces; the narrow no-break space is what must come out. */
const t = (text: string) => text.replaceAll(' ', thin)
const now = Date.parse('2026-11-21T02:12:00Z')
const berlin = 'Europe/Berlin'
const past = (ms: number) => new Date(now - ms).toISOString()
const hour = 3_600_000

describe('a number', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1577, '1 577'],
    [184_220, '184 220'],
    [1_234_567, '1 234 567'],
  ])('counted for a decision keeps every digit: %d', (value, text) => expect(count(value)).toBe(t(text)))

  it.each([
    [999, '999'],
    [1234, '1.23 k'],
    [14_200, '14.2 k'],
    [999_600, '1 M'],
    [1_300_000, '1.3 M'],
    [-2500, '−2.5 k'],
    [0.1234, '0.12'],
  ])('told briefly has three significant digits: %d', (value, text) => expect(short(value)).toBe(t(text)))

  it('agrees with its noun', () => {
    expect(some(1, 'row')).toBe('1 row')
    expect(some(0, 'row')).toBe('0 rows')
    expect(some(2, 'query', 'queries')).toBe('2 queries')
  })

  it('of records is exact while its digits mean something', () => {
    expect(measured(15_740, 'records')).toBe(t('15 740'))
    expect(measured(1_300_000, 'records')).toBe(t('1.3 M'))
  })

  it('that names a key is grouped, and a text key is left as it is', () => {
    expect(keyText('204331')).toBe(t('204 331'))
    expect(keyText('1703')).toBe('1703')
    expect(keyText('3f0c-77')).toBe('3f0c-77')
    expect(keyText('12345678901234567890')).toBe('12345678901234567890')
  })
})

describe('seconds', () => {
  it.each([
    [0, '0 s'],
    [0.0002, '< 1 ms'],
    [0.012, '12 ms'],
    [0.8, '0.8 s'],
    [9.96, '10 s'],
    [48.4, '48 s'],
    [59.7, '1 m'],
    [412.4, '6.9 m'],
    [900, '15 m'],
    [3599, '1 h'],
    [3960, '1.1 h'],
    [90_000, '25 h'],
    [48 * 3600, '48 h'],
    [3 * 86_400, '3 d'],
  ])('are told in the unit people would use: %d', (value, text) => {
    expect(seconds(value).replaceAll(thin, ' ')).toBe(text)
  })

  it('between bounds share their unit, and are one number when both ends read the same', () => {
    expect(secondsBetween(408, 426)).toBe(`6.8 to 7.1${thin}m`)
    expect(secondsBetween(50, 90)).toBe(`50${thin}s to 1.5${thin}m`)
    expect(secondsBetween(300, 300.4)).toBe(`5${thin}m`)
  })

  it('that lasted are told in two units, and work in finer ones', () => {
    expect(duration(540_000)).toBe(`9${thin}m`)
    expect(duration(10_560_000)).toBe(`2${thin}h 56${thin}m`)
    expect(duration(76 * hour)).toBe(`3${thin}d 4${thin}h`)
    expect(took(252_000)).toBe(`4${thin}m 12${thin}s`)
    expect(took(41)).toBe(`41${thin}ms`)
    expect(took(444)).toBe(`0.4${thin}s`)
  })
})

describe('a ratio', () => {
  it.each([
    [0.9914, '99.14 %'],
    [0.0061, '0.61 %'],
    [0.999949, '99.99 %'],
  ])('has two decimals: %d', (value, text) => expect(ratio(value)).toBe(t(text)))

  it('is never rounded up to all, nor down to none', () => {
    expect(ratio(0.999996)).toBe(`> 99.99${thin}%`)
    expect(ratio(1)).toBe(`100${thin}%`)
    expect(ratio(0.000001)).toBe(`< 0.01${thin}%`)
    expect(ratio(0)).toBe(`0${thin}%`)
  })

  it('that somebody chose is said as chosen', () => {
    expect(chosenRatio(0.995)).toBe(`99.5${thin}%`)
    expect(chosenRatio(0.001)).toBe(`0.1${thin}%`)
  })
})

describe('a rate', () => {
  it.each([
    [38, '38 /s'],
    [1234, '1.23 k/s'],
    [0.8, '0.8 /s'],
    [0.02, '1.2 /min'],
    [0.0005, '1.8 /h'],
    [0.000001, '< 0.1 /h'],
    [0, '0 /s'],
  ])('slow or fast never reads as nothing: %d', (value, text) => {
    expect(rate(value).replaceAll(thin, ' ')).toBe(text)
  })
})

describe('bytes', () => {
  it('are told in powers of a thousand', () => {
    expect(bytes(512)).toBe(`512${thin}B`)
    expect(bytes(12_340_000)).toBe(`12.3${thin}MB`)
    expect(bytes(4200)).toBe(`4.2${thin}kB`)
  })
})

describe('an instant', () => {
  it('is relative up to two days, then a date', () => {
    expect(ago(past(3000), now, berlin)).toBe(`3${thin}s ago`)
    expect(ago(past(47 * hour), now, berlin)).toBe(`47${thin}h ago`)
    expect(ago(past(9 * 24 * hour), now, berlin)).toBe('12 Nov')
    expect(ago(past(-5000), now, berlin)).toBe(`0${thin}s ago`)
  })

  it('to come counts down to now', () => {
    expect(until(past(-8000), now)).toBe(`in 8${thin}s`)
    expect(until(past(10), now)).toBe('now')
  })

  it('is written on a clock of 24 hours in the given zone, with the date when it is another day', () => {
    expect(clock(now, berlin)).toBe('03:12')
    expect(clock(now, 'UTC')).toBe('02:12')
    expect(clock(Date.parse('2026-11-20T23:30:00Z'), berlin)).toBe('00:30')
    expect(when(past(hour), now, berlin)).toBe('02:12')
    expect(when(past(4 * hour), now, berlin)).toBe('20 Nov 23:12')
  })

  it('can be told exactly, with its zone', () => {
    expect(exactly('2026-11-21T02:03:12Z', berlin)).toBe('21 Nov 2026 03:03:12 Europe/Berlin')
  })
})
