/** `npm run docs`: writes the generated part of docs/devices.md. A test proves that it is the one that is checked in. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referenceMarkdown } from '../src/site/device-reference.ts'

const file = join(import.meta.dirname, '../docs/devices.md')
const [begin, end] = ['<!-- generated: npm run docs -->', '<!-- end of what is generated -->']
const text = readFileSync(file, 'utf8')
const head = text.slice(0, text.indexOf(begin) + begin.length)
const tail = text.slice(text.indexOf(end))
writeFileSync(file, `${head}\n\n${referenceMarkdown()}\n${tail}`)
