const iso = /^P(?:0[YMWD])*T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d{1,6}))?S)?$/

/**
 * A span of hours, minutes and seconds that is printed as `PT-1H-0.5S`, as a clock shows it: `-01:00:00.500000`. Undefined for
 * any other text, and for spans of days or months, which are not so many hours. Pure.
 */
export function clockOf(text: string): string | undefined {
  const [found, hours = '0', minutes = '0', minus, seconds = '0', fraction = ''] = iso.exec(text) ?? []
  if (found === undefined) return undefined
  const small = BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  const micros = (BigInt(hours) * 3_600n + BigInt(minutes) * 60n) * 1_000_000n + (minus ? -small : small)
  const size = micros < 0n ? -micros : micros
  const digits = (value: bigint, width: number) => String(value).padStart(width, '0')
  const [hour, minute, second] = [size / 3_600_000_000n, (size / 60_000_000n) % 60n, (size / 1_000_000n) % 60n]
  const time = [hour, minute, second].map((part) => digits(part, 2)).join(':')
  return `${micros < 0n ? '-' : ''}${time}.${digits(size % 1_000_000n, 6)}`
}
