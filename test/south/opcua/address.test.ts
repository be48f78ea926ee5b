import { describe, expect, it } from 'vitest'
import { parseBrowsePath, parseNodeText } from '../../../src/south/opcua/address.ts'

describe('a node id', () => {
  it.each([
    ['i=2258', 0, 'i=2258'],
    ['ns=2;s=Press.Speed', 2, 's=Press.Speed'],
    ['nsu=urn:plant;s=a;b=c', 'urn:plant', 's=a;b=c'],
    ['nsu=http://x/%3By%25;i=1', 'http://x/;y%', 'i=1'],
    ['ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a', 3, 'g=09087e75-8e5e-499b-954f-f2a9603db28a'],
    ['ns=1;b=M/RbKBsRVkePCePcx24oRA==', 1, 'b=M/RbKBsRVkePCePcx24oRA=='],
  ])('is read from %s', (text, namespace, identifier) => {
    expect(parseNodeText(text)).toEqual({ namespace, identifier })
  })

  it.each(['', 'speed', 'ns=2', 'ns=70000;i=1', 'ns=2;i=x', 'ns=2;i=4294967296', 'ns=2;s=', 'ns=-1;i=1', 'g=12', 'ns=2;b=%%', 'nsu=;s=x'])(
    'is not %j',
    (text) => {
      expect(parseNodeText(text)).toBeUndefined()
    },
  )
})

describe('a browse path', () => {
  it('has names with their namespaces between slashes', () => {
    expect(parseBrowsePath('/Objects/2:Line/nsu=http://x/y;Press/3:a&/b&:c')).toEqual([
      { namespace: 0, name: 'Objects' },
      { namespace: 2, name: 'Line' },
      { namespace: 'http://x/y', name: 'Press' },
      { namespace: 3, name: 'a/b:c' },
    ])
  })

  it.each(['', 'Objects', '/', '//a', '/Objects/', '/Objects/70000:x', '/2:'])('is not %j', (text) => {
    expect(parseBrowsePath(text)).toBeUndefined()
  })
})
