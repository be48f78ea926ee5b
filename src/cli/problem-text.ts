import type { SiteProblem } from '../site/site.ts'

/** `file:line:column  code  message`, and the remedy below it. */
export function problemText(problem: SiteProblem): string {
  const { file, line, column, code, message, remedy, severity } = problem
  const mark = severity === 'warning' ? 'warning: ' : ''
  return `${printable(`${file}:${line}:${column}  ${code}  ${mark}${message}`)}\n    ${printable(remedy)}`
}

/** A site file may hold anything: nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
