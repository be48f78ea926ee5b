import type { SessionStore } from '../../src/north/broker/session-keeper.ts'
import type { Store } from '../../src/store/store.ts'

/** For tests of a broker that is not started twice: it keeps nothing and says that it does. */
export function forgetfulStore(): SessionStore {
  return { keep: async () => ({ file: 1 }), page: async () => ({ file: 1, changes: {} }) }
}

/** The store, as north sees it through its door. */
export function sessionStoreOf(store: Pick<Store, 'keepSessions' | 'sessionsPage'>): SessionStore {
  // What crosses a thread is copied: a test must not see the same objects on both sides.
  return {
    keep: async (changes) => store.keepSessions(structuredClone(changes)),
    page: async (ask) => structuredClone(await store.sessionsPage(ask)),
  }
}
