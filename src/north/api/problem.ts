import { STATUS_CODES } from 'node:http'
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
    return { type: 'about:blank', title: titleOf(status), status, code: error.code, detail: error.message, remedy: error.remedy }
  }
  const status = statusOf(error)
  if (status < 500) return requestProblem(status, explained(error))
  return {
    type: 'about:blank',
    title: titleOf(500),
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
  'access.read': 403,
  'access.write': 403,
  'access.back-off': 429,
  'access.role': 403,
  'api.tag-unknown': 404,
  'flow.unknown': 404,
  'flow.run-unknown': 404,
  'flow.not-now': 409,
  'flow.not-kept-yet': 503,
}

export interface Explanation {
  readonly code?: string
  readonly detail: string
  readonly remedy: string
}

/** A request that cannot be answered, by its HTTP status. */
export function requestProblem(status: number, { code = codes[status] ?? 'api.bad-request', detail, remedy }: Explanation): HttpProblem {
  return { type: 'about:blank', title: titleOf(status), status, code, detail, remedy }
}

/** Of a problem without a type of its own: the status' phrase (RFC 9457, 4.2.1). */
function titleOf(status: number): string {
  return STATUS_CODES[status] ?? 'Bad Request'
}

const codes: Readonly<Record<number, string>> = {
  400: 'api.malformed',
  404: 'api.not-found',
  405: 'api.method',
  408: 'api.timeout',
  413: 'api.body-too-large',
  414: 'api.url-too-long',
  415: 'api.media-type',
  417: 'api.expectation',
  431: 'api.headers-too-large',
}

/** fastify's own errors, in words for whoever sent the request. */
function explained(error: unknown): Explanation {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  const known = explanations[code]
  if (known !== undefined) return known
  if (error instanceof SyntaxError) return badJson
  return {
    code: 'api.bad-request',
    detail: (error instanceof Error ? error.message : String(error)).slice(0, 300),
    remedy: 'Compare the request with the documentation of the API.',
  }
}

const badJson: Explanation = { code: 'api.bad-json', detail: 'The body is no JSON.', remedy: 'Send one JSON value, encoded as UTF-8.' }

const explanations: Readonly<Record<string, Explanation>> = {
  FST_ERR_BAD_URL: {
    code: 'api.bad-url',
    detail: 'The address of the request cannot be decoded.',
    remedy: 'Encode each part of it: a % is written %25.',
  },
  FST_ERR_MAX_PARAM_LENGTH: { detail: 'A part of the address is too long.', remedy: 'Shorten it.' },
  FST_ERR_CTP_BODY_TOO_LARGE: { detail: 'The body is larger than this request may be.', remedy: 'Send less at once.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    detail: 'The body is of a type that is not understood here.',
    remedy: 'Send JSON, with `content-type: application/json`.',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'api.bad-json', detail: 'The body is empty.', remedy: 'Send JSON, or no content-type.' },
  FST_ERR_CTP_INVALID_JSON_BODY: badJson,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'api.bad-length',
    detail: 'The body has another length than its header says.',
    remedy: 'Send content-length as it is, in bytes.',
  },
}

function statusOf(error: unknown): number {
  return typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : 500
}
