/** What a command may write to and look at: passed in, so that tests see what a user sees. */
export interface Terminal {
  out(text: string): void
  error(text: string): void
  readonly environment: NodeJS.ProcessEnv
  /** Absent: the standard input of the process. */
  readonly input?: NodeJS.ReadableStream
  /** Aborted when the user wants no more; absent: that is for the signals of the process to say. */
  readonly stop?: AbortSignal
  /** As large as it is just now. Absent where the output goes into a file or a pipe: then nothing is drawn or cut. */
  readonly screen?: { readonly columns: number; readonly rows: number }
}
