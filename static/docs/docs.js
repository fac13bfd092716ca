let taken = null; // the console's token

// Swagger UI of this service's own file. validatorUrl would send the file to another host.
const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "none",
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  validatorUrl: null,
  plugins: [tokensFirst],
  requestInterceptor: renewed,
  onComplete: takeLogin,
});

/** What Authorize asks for: an app's four headers are left out, for nobody signs by hand. */
function tokensFirst() {
  const isToken = (definition) => definition.has("bearer") || definition.has("token");
  const show = (original) => (definitions) => original(
    definitions && definitions.filter(isToken).sortBy((definition) => !definition.has("bearer")));
  return { statePlugins: { auth: { wrapActions: { showDefinitions: show } } } };
}

/** Who is logged in to the console in this tab need not log in again. */
async function takeLogin() {
  taken = await consoleToken();
  if (taken) ui.preauthorizeApiKey("bearer", taken);
}

/** The console's token lives for minutes; the console's code renews it. */
async function renewed(request) {
  if (taken && request.headers && request.headers.Authorization === `Bearer ${taken}`) {
    request.headers.Authorization = `Bearer ${await consoleToken() || taken}`;
  }
  return request;
}

async function consoleToken() {
  try {
    const { token } = await import("../console/api.js");
    return await token();
  } catch { // Postern is away; one may still type a token
    return null;
  }
}
