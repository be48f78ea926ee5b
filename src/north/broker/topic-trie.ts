/** Topic filters as a tree of their levels, so that finding who wants a topic costs as much as the topic is deep, not as many filters as there are. */
export class TopicTrie<Item> {
  readonly #root: Node<Item> = newNode()

  add(filter: string, item: Item): void {
    let node = this.#root
    for (const level of filter.split('/')) {
      const next: Node<Item> = node.children.get(level) ?? newNode()
      node.children.set(level, next)
      node = next
    }
    node.items.add(item)
  }

  remove(filter: string, item: Item): void {
    removeBelow(this.#root, { levels: filter.split('/'), depth: 0, item })
  }

  /** By the rules of MQTT 4.7: `#` also matches the level above it, and no wildcard at the front matches a topic that begins with `$`. */
  match(topic: string): Set<Item> {
    const found = new Set<Item>()
    const levels = topic.split('/')
    if (topic.startsWith('$')) {
      const first = this.#root.children.get(levels[0] ?? '')
      if (first !== undefined) collect(first, { levels, depth: 1, found })
    } else {
      collect(this.#root, { levels, depth: 0, found })
    }
    return found
  }
}

interface Node<Item> {
  readonly children: Map<string, Node<Item>>
  readonly items: Set<Item>
}

function newNode<Item>(): Node<Item> {
  return { children: new Map(), items: new Set() }
}

interface Walk<Item> {
  readonly levels: readonly string[]
  readonly depth: number
  readonly found: Set<Item>
}

function collect<Item>(node: Node<Item>, { levels, depth, found }: Walk<Item>): void {
  const rest = node.children.get('#')
  if (rest !== undefined) for (const item of rest.items) found.add(item)
  const level = levels[depth]
  if (level === undefined) {
    for (const item of node.items) found.add(item)
    return
  }
  const same = node.children.get(level)
  if (same !== undefined) collect(same, { levels, depth: depth + 1, found })
  const any = node.children.get('+')
  if (any !== undefined) collect(any, { levels, depth: depth + 1, found })
}

interface Removal<Item> {
  readonly levels: readonly string[]
  readonly depth: number
  readonly item: Item
}

/** Whether the node is empty now: then its parent forgets it, or the tree would keep every filter that ever was. */
function removeBelow<Item>(node: Node<Item>, { levels, depth, item }: Removal<Item>): boolean {
  const level = levels[depth]
  if (level === undefined) {
    node.items.delete(item)
  } else {
    const child = node.children.get(level)
    if (child !== undefined && removeBelow(child, { levels, depth: depth + 1, item })) node.children.delete(level)
  }
  return node.items.size === 0 && node.children.size === 0
}
