/** The part of a CEL environment needed here. */
export interface Operators {
  registerOperator(signature: string, handler: (left: never, right: never) => unknown): unknown
}

/**
 * In CEL `value + 1` fails where value is a double, for 1 is an int. A tag's number is a double as people see it, and nobody writes `1.0` to
 * please a type: mixed arithmetic is done in doubles. (Comparisons mix already.)
 */
export function registerMixedNumbers(operators: Operators): void {
  type Mixed = number | bigint
  const arithmetic: Readonly<Record<string, (left: number, right: number) => number>> = {
    '+': (left, right) => left + right,
    '-': (left, right) => left - right,
    '*': (left, right) => left * right,
    '/': (left, right) => left / right,
    '%': (left, right) => left % right,
  }
  for (const [sign, compute] of Object.entries(arithmetic)) {
    const handler = (left: Mixed, right: Mixed): number => compute(Number(left), Number(right))
    operators.registerOperator(`double ${sign} int: double`, handler)
    operators.registerOperator(`int ${sign} double: double`, handler)
  }
  operators.registerOperator('double % double: double', (left: number, right: number) => left % right)
}
