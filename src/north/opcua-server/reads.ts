import type { TagVariable } from './address-space.ts'

/** Of the library: where it asks itself whether a user may read a variable. */
interface Guarded {
  readonly nodeId: { readonly value: unknown }
  checkPermissionPrivate(context: { readonly session?: object } | null, permission: unknown): boolean
}

/** Lets nobody read, nor subscribe to, what his rules forbid: BadUserAccessDenied. One function for all tags, for there are many of them. */
export function guardReading(variables: readonly TagVariable[], mayRead: (session: object | undefined, tag: string) => boolean): void {
  const [first] = variables
  if (first === undefined) return
  const { checkPermissionPrivate: permit } = Object.getPrototypeOf(first) as Guarded
  function checkPermissionPrivate(this: Guarded, ...asked: Parameters<Guarded['checkPermissionPrivate']>): boolean {
    return mayRead(asked[0]?.session, String(this.nodeId.value)) && permit.apply(this, asked)
  }
  for (const variable of variables) Object.assign(variable, { checkPermissionPrivate })
}
