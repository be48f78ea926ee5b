import { isIP } from 'node:net'
import { z } from 'zod'

const name = /^[\p{L}\p{N}_][\p{L}\p{N}_-]*(\.[\p{L}\p{N}_][\p{L}\p{N}_-]*)*\.?$/u

/** Where something listens or is: a name, or an IP address as it is (10.1.7.20, fe80::1). */
export const hostSchema = z.string().min(1).max(253).refine(isHost, 'a host is a name or an IP address, without a scheme, port or brackets')

/** The last part of a name is never a number: 10.1.7 and 10.1.7.256 are mistyped addresses. */
function isHost(text: string): boolean {
  return isIP(text) !== 0 || (name.test(text) && !/(^|\.)\d+\.?$/.test(text))
}
