// Routes below /admin for tests, and what counts and disturbs requests for tokens.

import { forgetTokens, state } from './state.js';

const TOKEN_PATH = '/token';

async function text(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The client that asks, in whichever way it says so. */
function clientIdOf(authorization, form) {
  const [scheme, credentials] = (authorization ?? '').split(' ');
  if (scheme.toLowerCase() === 'basic') {
    const [encoded] = Buffer.from(credentials ?? '', 'base64').toString().split(':');
    return decodeURIComponent(encoded.replaceAll('+', '%20'));
  }
  const [, payload] = (form.get('client_assertion') ?? '').split('.');
  return form.get('client_id') ?? (payload && JSON.parse(Buffer.from(payload, 'base64url')).sub);
}

async function tokenRequest(ctx, next) {
  const body = await text(ctx.req);
  // oidc-provider takes the body from here when the stream was read already.
  ctx.req.body = body;
  let clientId;
  try {
    clientId = clientIdOf(ctx.get('authorization'), new URLSearchParams(body));
  } catch {
    // The server itself says what is wrong with the request.
  }
  if (clientId) {
    state.tokenRequests.set(clientId, (state.tokenRequests.get(clientId) ?? 0) + 1);
  }
  const fault = state.faults.get(clientId);
  if (!fault?.remaining) {
    return next();
  }
  fault.remaining -= 1;
  if (fault.retryAfter !== null) {
    ctx.set('retry-after', String(fault.retryAfter));
  }
  ctx.status = fault.status;
  ctx.body = { error: 'temporarily_unavailable' };
}

const actions = {
  'PUT clients': (id, body) => {
    state.clients.set(id, body);
  },
  'DELETE clients': (id) => {
    state.clients.delete(id);
    forgetTokens(id);
  },
  'POST clients enabled': (id, body) => {
    state.clients.get(id).disabled = !body;
  },
  'POST clients secret': (id, body) => {
    const client = state.clients.get(id);
    client.metadata = { ...client.metadata, client_secret: body };
  },
  'POST clients revocation': (id) => forgetTokens(id),
  'POST clients faults': (id, body) => {
    state.faults.set(id, body);
  },
  'GET clients token-requests': (id) => state.tokenRequests.get(id) ?? 0,
  'PUT resource-servers': (id, body) => {
    state.resourceServers.set(id, body);
  },
};

async function administer(ctx) {
  const [, , kind, id, what] = ctx.path.split('/');
  const action = actions[[ctx.method, kind, what].filter(Boolean).join(' ')];
  const name = decodeURIComponent(id ?? '');
  const exists = ctx.method === 'PUT' || ctx.method === 'GET' || state.clients.has(name);
  if (!action || !exists) {
    ctx.status = 404;
    ctx.body = { error: action ? `there is no client ${name}` : 'there is no such route' };
    return;
  }
  const body = await text(ctx.req);
  ctx.status = 200;
  ctx.body = JSON.stringify(action(name, body ? JSON.parse(body) : undefined) ?? null);
  ctx.type = 'json';
}

/** Koa middleware. */
export function administration(token) {
  return async (ctx, next) => {
    if (ctx.path.startsWith('/admin/')) {
      if (ctx.get('authorization') !== `Bearer ${token}`) {
        ctx.status = 401;
        return;
      }
      await administer(ctx);
    } else if (ctx.path === TOKEN_PATH && ctx.method === 'POST') {
      await tokenRequest(ctx, next);
    } else {
      await next();
    }
  };
}
