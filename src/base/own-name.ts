import { hostname } from 'node:os'

/** Whether a host in a URL is this machine by its own name or any address: not a name that somebody else has pointed at it. */
export function isOwnName(name: string): boolean {
  const own = hostname().toLowerCase()
  return /^[\d.]+$|^\[[\da-f:.]+\]$/.test(name) || name === 'localhost' || name === own || name.split('.')[0] === own.split('.')[0]
}
