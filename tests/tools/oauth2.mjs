// An OAuth 2.0 server that is not ours (oidc-provider, certified by the OpenID Foundation), on loopback, and an API that
// takes the tokens which that server holds for valid.
//
//   node oauth2.mjs NODE_MODULES
//
// It knows two clients: `basic`, which must prove itself by the header Authorization, and `post`, which must do so in the
// body. Prints `listening on URL`. GET /devices wants a Bearer token; GET /_tokens counts those issued and revoked.
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules] = process.argv.slice(2);
const library = path.resolve(modules, "oidc-provider/lib/index.js");
const { Provider } = await import(pathToFileURL(library));

// RFC 6749, section 2.3.1: for the header it is encoded as in a form, so characters that differ there are in it.
const client_secret = "ge heim%:+/=&~";
const client = (client_id, token_endpoint_auth_method) => ({
  client_id,
  client_secret,
  token_endpoint_auth_method,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  scope: "devices.read",
});
const counts = { issued: 0, revoked: 0 };

const server = await new Promise((resolve) => {
  const provider = new Provider("http://127.0.0.1", {
    clients: [client("basic", "client_secret_basic"), client("post", "client_secret_post")],
    features: { clientCredentials: { enabled: true }, revocation: { enabled: true }, devInteractions: { enabled: false } },
    scopes: ["devices.read"],
    ttl: { ClientCredentials: 3600 },
  });
  provider.on("client_credentials.saved", () => (counts.issued += 1));
  provider.on("client_credentials.destroyed", () => (counts.revoked += 1));
  provider.use(async (context, next) => {
    if (context.path === "/_tokens") {
      context.body = counts;
    } else if (context.path === "/devices") {
      const bearer = (context.get("authorization").match(/^Bearer (.+)$/) ?? [])[1];
      const token = bearer && (await provider.ClientCredentials.find(bearer));
      context.status = token?.scope === "devices.read" ? 200 : 401;
      context.body = token ? [{ id: 1 }, { id: 2 }] : { error: "invalid_token" };
    } else {
      await next();
    }
  });
  const server = provider.listen(0, "127.0.0.1", () => resolve(server));
});
console.log(`listening on http://127.0.0.1:${server.address().port}`);
