import { Fault } from '../../base/fault.ts'

/** RFC 9457, with our code and remedy. */
export interface HttpProblem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly remedy: string
}

/** The outside face of what went wrong: a Fault explains itself, a bug says only that it is one. */
export function problemOf(error: unknown): HttpProblem {
  if (error instanceof Fault) {
    const status = statusByCode[error.code] ?? (error.isRetryable ? 503 : 400)
    return { type: 'about:blank', title: 'Not done', status, code: error.code, detail: error.message, remedy: error.remedy }
  }
  const status = statusOf(error)
  if (status < 500) {
    const detail = error instanceof Error ? error.message : String(error)
    return {
      type: 'about:blank',
      title: 'Bad request',
      status,
      code: 'api.bad-request',
      detail,
      remedy: 'Compare the request with the documentation of the API.',
    }
  }
  return {
    type: 'about:blank',
    title: 'Internal error',
    status: 500,
    code: 'internal',
    detail: 'A bug in Lineside.',
    remedy: 'Report it with the log of this moment.',
  }
}

const statusByCode: Readonly<Record<string, number>> = {
  'access.anonymous': 401,
  'access.user-unknown': 401,
  'access.anonymous-remote': 403,
  'access.origin': 403,
  'api.tag-unknown': 404,
}

function statusOf(error: unknown): number {
  return typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : 500
}
