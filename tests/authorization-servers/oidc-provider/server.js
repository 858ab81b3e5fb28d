// oidc-provider behind HTTPS, with routes that make clients and resource servers while it runs.
// Usage: node server.js CONFIGURATION, the path of a JSON file (see src/oidc_provider_server.rs).

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import { Provider, errors } from 'oidc-provider';

import { administration } from './administration.js';
import { state, Store } from './state.js';

const configuration = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const issuer = `https://127.0.0.1:${configuration.port}`;

// The audience of tokens that were asked for without a resource by a client that may have scopes.
// Without any resource, oidc-provider would drop every scope that is not of OpenID Connect.
const DEFAULT_RESOURCE = 'urn:keywright:default-resource';

const signingKey = () => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  alg: 'ES256',
  use: 'sig',
});

function resourceServer(ctx, resource, client) {
  const definition = state.clients.get(client.clientId);
  if (resource === DEFAULT_RESOURCE) {
    return { scope: definition.scopes.join(' '), audience: issuer, accessTokenFormat: 'opaque' };
  }
  const found = state.resourceServers.get(resource);
  if (!found) {
    throw new errors.InvalidTarget('no resource server has this resource indicator');
  }
  return {
    scope: found.scopes.join(' '),
    audience: resource,
    accessTokenFormat: found.format,
    jwt: { sign: { alg: 'ES256' } },
  };
}

const provider = new Provider(issuer, {
  adapter: Store,
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth'],
  clientDefaults: {
    grant_types: ['client_credentials'],
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [],
    response_types: [],
  },
  cookies: { keys: [configuration.adminToken] },
  enabledJWA: {
    clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    idTokenSigningAlgValues: ['ES256'],
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: false },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      // Node writes one attribute a line, the first of the certificate first; RFC 4514 has the last one first.
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' &&
        ctx.socket.getPeerX509Certificate().subject.split('\n').reverse().join(',') === expected,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client) =>
        state.clients.get(client?.clientId)?.scopes.length ? DEFAULT_RESOURCE : undefined,
      getResourceServerInfo: resourceServer,
    },
    revocation: { enabled: true },
  },
  jwks: { keys: [signingKey()] },
  ttl: {
    ClientCredentials: (ctx, token, client) =>
      state.clients.get(client.clientId)?.accessTokenSeconds ?? 600,
  },
});

provider.use(administration(configuration.adminToken));

const server = createServer(
  {
    ca: readFileSync(configuration.ca),
    cert: readFileSync(configuration.certificate),
    key: readFileSync(configuration.key),
    requestCert: true,
    rejectUnauthorized: false,
  },
  provider.callback(),
);
// The default of 5 s would close idle connections just as a test uses them again.
server.keepAliveTimeout = 600_000;
server.listen(configuration.port, '127.0.0.1');
