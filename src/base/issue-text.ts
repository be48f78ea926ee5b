import type { z } from 'zod'

/** The first thing that is wrong with what somebody sent or typed, in words for them; `where`: what the keys belong to. */
export function issueText(error: z.ZodError, where: string): string {
  const [issue] = error.issues
  const place = issue?.path.map((step) => String(step).slice(0, 60)).join(' › ')
  if (issue?.code === 'unrecognized_keys')
    return `there is no ${issue.keys.map((key) => `\`${key.slice(0, 60)}\``).join(', ')} in ${place || where}`
  return `${place || where}: ${(issue?.message ?? 'cannot be used').replace(/\.$/, '')}`
}
