/** Aborts at the first SIGTERM, SIGINT or SIGHUP; a second SIGTERM or SIGINT ends the process at once, after `atOnce`. */
export function stopSignal(atOnce?: () => void): AbortSignal {
  const stop = new AbortController()
  const onSignal = (): void => {
    if (stop.signal.aborted) end(atOnce)
    stop.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  // The terminal was closed: an end like any other, but shell and npm may both pass it on, so it never ends the process at once.
  process.on('SIGHUP', () => stop.abort())
  return stop.signal
}

function end(atOnce?: () => void): void {
  try {
    atOnce?.()
  } finally {
    process.kill(process.pid, 'SIGKILL') // process.exit would wait for a thread that hangs
  }
}
