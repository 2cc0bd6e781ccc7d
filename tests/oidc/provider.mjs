// A real OpenID provider for tests: node provider.mjs PORT. It prints its issuer when it listens.
//
// Whoever logs in as `name:group,group` is `name`, in these groups. The environment may give its keys
// (JWKS) and how long its tokens are good (TOKEN_SECONDS).
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const jwks = process.env.JWKS ? { jwks: JSON.parse(process.env.JWKS) } : {};
const seconds = Number(process.env.TOKEN_SECONDS ?? 3600);

function account(id) {
  const [name, groups] = id.split(':');
  return { sub: `sub-${name}`, preferred_username: name, name, groups: groups ? groups.split(',') : [] };
}

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'culm',
      token_endpoint_auth_method: 'none',
      redirect_uris: [],
      response_types: [],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    },
    {
      client_id: 'other',
      token_endpoint_auth_method: 'none',
      redirect_uris: [],
      response_types: [],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    },
  ],
  ...jwks,
  claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'] },
  conformIdTokenClaims: false,
  features: { deviceFlow: { enabled: true } },
  pkce: { required: () => false },
  issueRefreshToken: async (_ctx, client, code) =>
    client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  ttl: { IdToken: seconds, AccessToken: 3600, RefreshToken: 86400, DeviceCode: 600, Grant: 86400, Session: 86400, Interaction: 600 },
  async findAccount(_ctx, id) {
    const found = account(id);
    return { accountId: id, claims: async () => found };
  },
});
provider.on('server_error', (_ctx, error) => console.error(error));
provider.listen(port, '127.0.0.1', () => console.log(issuer));
