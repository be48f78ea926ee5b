/** What a command may write to and look at: passed in, so that tests see what a user sees. */
export interface Terminal {
  out(text: string): void
  error(text: string): void
  readonly environment: NodeJS.ProcessEnv
}
