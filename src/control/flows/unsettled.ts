/** The alarm of a flow some of whose runs a person must settle. */
export function unsettledAlarm(flow: string): string {
  return `unsettled/${flow}`
}
