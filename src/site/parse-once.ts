/**
 * For what a site has one or a few of. Else zod writes and compiles a function for each shape of object before it looks at the first one: that pays
 * for tags by the thousand, and costs a tenth of `lineside check` for the rest.
 */
export const once = { jitless: true } as const
