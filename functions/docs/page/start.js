"use strict";
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  // Tokens are forgotten with the page, and nothing is sent to a validator on the web.
  persistAuthorization: false,
  validatorUrl: null,
});
