import { promisify } from 'node:util'

/** Of the settings that OWASP holds for equally strong the one with the least memory, which glibc does not give back: 7 MiB and five passes. */
const cost = { memory: 7 * 1024, passes: 5, parallelism: 1 } as const
const saltBytes = 16
const hashBytes = 32
/** What a file may ask for: more would be a way to stop the gateway. */
const costMax = { memory: 256 * 1024, passes: 10, parallelism: 4 } as const

/** An argon2id hash as everybody writes it: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. Worked out beside the loop, in libuv's threads. */
export async function hashPassword(password: Uint8Array | string): Promise<string> {
  const { randomBytes } = await import('node:crypto')
  const salt = randomBytes(saltBytes)
  const hash = await derive(password, { salt, ...cost, bytes: hashBytes })
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${unpadded(salt)}$${unpadded(hash)}`
}

/** False also for a hash that is none. */
export async function matchesPassword(password: Uint8Array, written: string): Promise<boolean> {
  const known = parseHash(written)
  if (known === undefined) return false
  const { timingSafeEqual } = await import('node:crypto')
  const derived = await derive(password, { ...known, bytes: known.hash.length })
  return timingSafeEqual(derived, known.hash)
}

/** Costs what a real one does, and matches nothing: who asks for a user that is not there must not learn it from the clock. */
export const nobodysHash = `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${'A'.repeat(22)}$${'A'.repeat(43)}`

interface Parameters {
  readonly salt: Uint8Array
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
}

async function derive(password: Uint8Array | string, options: Parameters & { readonly bytes: number }): Promise<Buffer> {
  const { argon2 } = await import('node:crypto')
  const { salt, memory, passes, parallelism, bytes } = options
  return await promisify(argon2)('argon2id', { message: password, nonce: salt, memory, passes, parallelism, tagLength: bytes })
}

function parseHash(written: string): (Parameters & { readonly hash: Buffer }) | undefined {
  const parts = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(written)
  if (parts === null) return undefined
  const [memory = 0, passes = 0, parallelism = 0] = parts.slice(1, 4).map(Number)
  if (memory < 8 || memory > costMax.memory || passes < 1 || passes > costMax.passes) return undefined
  if (parallelism < 1 || parallelism > costMax.parallelism) return undefined
  return { memory, passes, parallelism, salt: Buffer.from(parts[4] ?? '', 'base64'), hash: Buffer.from(parts[5] ?? '', 'base64') }
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}
