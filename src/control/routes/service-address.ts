import { Fault } from '../../base/fault.ts'

/**
 * Of a request below the address of a service. A path may be made of what a message or a person said, and the headers of the service go with it: with `..`
 * in it, or `\`, it could lead to what nobody has named. Throws `service.path`.
 */
export function serviceAddress(url: string, path: string): string {
  const base = new URL(url.endsWith('/') ? url : `${url}/`)
  const address = URL.parse(`${base.href}${path.replace(/^\//, '')}`)
  const isBelow = address !== null && address.origin === base.origin && address.pathname.startsWith(base.pathname)
  if (isBelow && !goesUp.test(address.pathname.replaceAll(/%(?:2e|2f|5c)/gi, decodeURIComponent))) return address.href
  throw new Fault('service.path', `The path ${JSON.stringify(path)} leads out of ${url}.`, {
    remedy: 'Look at what it is made of: `..` has no place in it.',
  })
}

/** For services that decode a path once more, or leave out what stands behind a `;`, before they heed its `..`. */
const goesUp = /(?:^|[/\\])\.\.(?:[/\\;]|$)/
