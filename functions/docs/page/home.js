"use strict";
// Behind API Gateway nothing answers at /health: AWS watches there.
fetch("health").then(async (answer) => {
  const body = answer.status === 404 ? null : await answer.json();
  if (body === null) document.getElementById("health").remove();
  else if (body.status !== "ok") document.getElementById("state").textContent = ", but a part of it fails";
}).catch(() => {});
fetch("api/v1/auth/setup").then((answer) => answer.json()).then((body) => {
  document.getElementById("setup").hidden = body.is_set_up !== false;
}).catch(() => {});
