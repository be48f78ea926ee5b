/** Why a text is no expression, for the one who wrote it. */
export interface ExpressionProblem {
  readonly message: string
  readonly remedy: string
  /** Where in the text, from 0. */
  readonly offset: number
}
