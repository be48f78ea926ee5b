import { describe, expect, it } from 'vitest'
import { namespacesOf } from '../../../src/south/opcua/browse-node.ts'

const uris = ['http://opcfoundation.org/UA/', 'urn:server', 'urn:a;b%c']
const before = namespacesOf(uris)
const after = namespacesOf(['http://opcfoundation.org/UA/', 'urn:server', 'urn:new', 'urn:a;b%c'])

describe('the text of a node id', () => {
  it.each([
    ['i=85', 'i=85'],
    ['ns=2;s=Press.Speed', 'nsu=urn:a%3Bb%25c;s=Press.Speed'],
    ['ns=2;i=42', 'nsu=urn:a%3Bb%25c;i=42'],
    ['ns=1;s=a;b=c "d"\nnext line', 'nsu=urn:server;s=a;b=c "d"\nnext line'],
    ['ns=2;g=09087e75-8e5e-499b-954f-f2a9603db28a', 'nsu=urn:a%3Bb%25c;g=09087E75-8E5E-499B-954F-F2A9603DB28A'],
    ['ns=2;b=M/RbKBsRVkePCePcx24oRA==', 'nsu=urn:a%3Bb%25c;b=M/RbKBsRVkePCePcx24oRA=='],
  ])('%j names its namespace, and leads back to the node', (id, text) => {
    const node = before.nodeOf(id)
    const written = node === undefined ? undefined : before.textOf(node)
    expect(written?.toLowerCase()).toBe(text.toLowerCase())
    expect(before.nodeOf(written ?? '')?.toString()).toBe(node?.toString())
  })

  it('means the same node when the namespace has another index', () => {
    expect(after.nodeOf('nsu=urn:a%3Bb%25c;i=42')?.namespace).toBe(3)
    expect(before.nodeOf('nsu=urn:gone;i=42')).toBeUndefined()
    expect(before.nodeOf('nonsense')).toBeUndefined()
  })
})
