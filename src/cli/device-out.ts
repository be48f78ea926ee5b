import { access } from 'node:fs/promises'
import { Fault } from '../base/fault.ts'

interface DeviceOut {
  readonly asDevice?: string
  readonly out?: string
  readonly force?: boolean
}

/** A device file is soon edited by hand, and a second look at the device must not undo that. */
export async function keepDeviceFile({ asDevice, out, force }: DeviceOut): Promise<void> {
  if (asDevice === undefined || out === undefined || force === true) return
  const isThere = await access(out).then(
    () => true,
    () => false,
  )
  if (isThere) throw new Fault('device.exists', `${out} is there already.`, { remedy: 'Name another file, or write over it with --force.' })
}
