/** `npm run docs`: writes the generated parts of the references. Tests prove that they are the ones that are checked in. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referenceMarkdown } from '../src/site/device-reference.ts'
import { flowReference } from '../src/site/flow-reference.ts'

const [begin, end] = ['<!-- generated: npm run docs -->', '<!-- end of what is generated -->']

function write(name, markdown) {
  const file = join(import.meta.dirname, '../docs', name)
  const text = readFileSync(file, 'utf8')
  const head = text.slice(0, text.indexOf(begin) + begin.length)
  const tail = text.slice(text.indexOf(end))
  writeFileSync(file, `${head}\n\n${markdown}\n${tail}`)
}

write('devices.md', referenceMarkdown())
write('flows-reference.md', referenceMarkdown(flowReference()))
