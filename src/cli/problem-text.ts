import { join } from 'node:path'
import type { SiteProblem } from '../site/site.ts'

/** `file:line:column  code  message`, and the remedy below it. With the site's folder the file is named as a terminal can open it. */
export function problemText(problem: SiteProblem, folder = '.'): string {
  const { file, line, column, code, message, remedy, severity } = problem
  const mark = severity === 'error' ? '' : `${severity}: `
  return `${printable(`${join(folder, file)}:${line}:${column}  ${code}  ${mark}${message}`)}\n    ${printable(remedy)}`
}

/** A site file may hold anything: nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
