import type { Random } from './random.ts'

const first = ['Ada', 'Bo', 'Cleo', 'Dara', 'Emil', 'Freya', 'Goran', 'Hana', 'Ilse', 'Jorn', 'Kaia', 'Lior'] as const
const last = ['Amberly', 'Brook', 'Castell', 'Dunmore', 'Ekdahl', 'Farrow', 'Grieve', 'Holm', 'Ivens', 'Juhl'] as const
const trades = ['Ropeworks', 'Chandlery', 'Freight', 'Cooperage', 'Sailcloth', 'Lighterage', 'Stevedores'] as const
const places = ['Northquay', 'Saltmarsh', 'Eastmole', 'Greywater', 'Tidewell', 'Longpier', 'Anchorage'] as const
const forms = ['Ltd', 'GmbH', 'AB', 'SARL', 'BV'] as const

export const countries = ['GB', 'DE', 'SE', 'FR', 'NL', 'DK', 'PL', 'PT'] as const
export const segments = ['small', 'medium', 'large'] as const
export const roles = ['buyer', 'accounts', 'warehouse'] as const

export const city = (random: Random): string => random.pick(places)

/** A company nobody has ever founded. */
export const company = (random: Random): string =>
  `${random.pick(places)} ${random.pick(trades)} ${random.pick(last)} ${random.pick(forms)}`

export const person = (random: Random): string => `${random.pick(first)} ${random.pick(last)}-${random.pick(last)}`

/** In the top-level domain that is reserved for examples. */
export const email = (name: string, number: number): string =>
  `${name.toLowerCase().replaceAll(/[^a-z]+/g, '.')}.${number}@mail.example`

/** In the range that is reserved for films and books. */
export const phone = (random: Random): string => `+44 20 7946 0${String(random.whole(1_000)).padStart(3, '0')}`

/** Two decimals, as text: money never passes through a floating number. */
export const money = (random: Random, whole: number): string =>
  `${1 + random.whole(whole)}.${String(random.whole(100)).padStart(2, '0')}`

export function uuid(random: Random): string {
  const hex = Array.from({ length: 32 }, () => random.whole(16).toString(16))
  hex[12] = '4'
  hex[16] = random.pick(['8', '9', 'a', 'b'])
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export const contactId = (random: Random): string =>
  `con-${Array.from({ length: 8 }, () => random.whole(36).toString(36)).join('')}`
