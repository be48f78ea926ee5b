import type { TopicMapping } from './config-topics.ts'

/** The topic that ours has at the far broker. */
export function topicAbove(topic: string, map: readonly TopicMapping[]): string {
  for (const { from, to } of map) {
    const moved = movedTopic(topic, from, to)
    if (moved !== undefined) return moved
  }
  return topic
}

/** The topic that one of the far broker has here. */
export function topicHere(topic: string, map: readonly TopicMapping[]): string {
  for (const { from, to } of map) {
    const moved = movedTopic(topic, to, from)
    if (moved !== undefined) return moved
  }
  return topic
}

function movedTopic(topic: string, from: string, to: string): string | undefined {
  if (topic === from) return to
  return topic.startsWith(`${from}/`) ? to + topic.slice(from.length) : undefined
}
