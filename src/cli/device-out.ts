import { access } from 'node:fs/promises'
import { Fault } from '../base/fault.ts'

interface Out {
  readonly asDevice?: string
  readonly out?: string
  readonly force?: boolean
}

/** A device file or a table is soon edited by hand, and a second look at the device must not undo that. */
export async function keepWhatIsThere({ asDevice, out, force = false }: Out): Promise<void> {
  if (out !== undefined && !force) await refuseExisting(out, asDevice === undefined ? 'table.exists' : 'device.exists')
}

/** Nothing that somebody has made is written over unasked. */
export async function refuseExisting(out: string, code: string): Promise<void> {
  const isThere = await access(out).then(
    () => true,
    () => false,
  )
  if (isThere) throw new Fault(code, `${out} is there already.`, { remedy: 'Name another file, or write over it with --force.' })
}
