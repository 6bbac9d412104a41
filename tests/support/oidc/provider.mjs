// An OpenID Connect provider for tests: reads its configuration from standard input, prints its issuer when it listens.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

import Provider from 'oidc-provider';

const { port, jwks, clients } = await json(process.stdin);
const byId = Object.fromEntries(clients.map((client) => [client.id, client]));
const server = createServer().listen(port, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  jwks,
  scopes: ['openid', 'profile'],
  clients: clients.map(({ id, secret }) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })),
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  extraTokenClaims: (_ctx, token) => ({ 'wlcg.ver': '1.0', 'wlcg.groups': byId[token.clientId].groups }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource, client) => ({
        audience: resource,
        scope: 'openid profile',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: byId[client.clientId].alg } },
      }),
    },
  },
});
server.on('request', provider.callback());
console.log(issuer);
