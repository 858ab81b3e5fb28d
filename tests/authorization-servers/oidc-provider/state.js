// Everything the server remembers, in memory.

export const state = {
  /** By client id: { metadata, scopes, accessTokenSeconds, disabled }. */
  clients: new Map(),
  /** By resource indicator: { scopes, format }. */
  resourceServers: new Map(),
  /** By client id: how many requests reached the token endpoint, those that failed included. */
  tokenRequests: new Map(),
  /** By client id: { status, remaining, retryAfter }, the last in seconds or null. */
  faults: new Map(),
  /** By model and id: { payload, expires }, the latter in milliseconds since 1970. */
  records: new Map(),
};

/** Forgets every token of the client. */
export function forgetTokens(clientId) {
  for (const [key, { payload }] of state.records) {
    if (payload.clientId === clientId) {
      state.records.delete(key);
    }
  }
}

/** The adapter of oidc-provider; each of its models has one. */
export class Store {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async find(id) {
    if (this.model === 'Client') {
      const client = state.clients.get(id);
      return client && !client.disabled ? client.metadata : undefined;
    }
    const record = state.records.get(this.key(id));
    return record && record.expires > Date.now() ? record.payload : undefined;
  }

  async upsert(id, payload, expiresIn) {
    const expires = expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000;
    state.records.set(this.key(id), { payload, expires });
  }

  async destroy(id) {
    state.records.delete(this.key(id));
  }

  async consume(id) {
    const record = state.records.get(this.key(id));
    if (record) {
      record.payload.consumed = Math.floor(Date.now() / 1000);
    }
  }

  // Only users' sessions and grants come by these, and there are no users.
  async findByUid() {}

  async findByUserCode() {}

  async revokeByGrantId() {}
}
