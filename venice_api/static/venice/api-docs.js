// Renders the schema with Swagger UI. Requests made from the page carry the CSRF token, which the API requires.
"use strict";

const place = document.getElementById("docs");
const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
followScheme();
dark.addEventListener("change", followScheme);

// Swagger UI gives these elements no accessible name, and the Tab key skips some of them.
function addAccessibleNames() {
  for (const field of place.querySelectorAll("tr[data-param-name] :is(select, input, textarea):not([aria-label])")) {
    field.setAttribute("aria-label", field.closest("tr").dataset.paramName);
  }
  for (const field of place.querySelectorAll(".opblock-body :is(select, textarea):not([aria-label])")) {
    field.setAttribute("aria-label", field.matches("select") ? "Media type" : "Request body");
  }
  for (const example of place.querySelectorAll(".microlight:not([tabindex])")) example.tabIndex = 0;
}
new MutationObserver(addAccessibleNames).observe(place, { childList: true, subtree: true });

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  requestInterceptor(request) {
    if (token()) request.headers["X-CSRFToken"] = token();
    return request;
  },
});
