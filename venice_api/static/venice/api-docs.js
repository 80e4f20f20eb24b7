// Draws the schema; the CSRF token goes along with what is tried, as the API asks for it.
"use strict";

const place = document.getElementById("docs");
const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
followScheme();
dark.addEventListener("change", followScheme);

// Swagger UI gives these no name and no place in the order of the Tab key.
function mendForKeyboardAndReader() {
  for (const field of place.querySelectorAll("tr[data-param-name] :is(select, input, textarea):not([aria-label])")) {
    field.setAttribute("aria-label", field.closest("tr").dataset.paramName);
  }
  for (const field of place.querySelectorAll(".opblock-body :is(select, textarea):not([aria-label])")) {
    field.setAttribute("aria-label", field.matches("select") ? "Media type" : "Request body");
  }
  for (const example of place.querySelectorAll(".microlight:not([tabindex])")) example.tabIndex = 0;
}
new MutationObserver(mendForKeyboardAndReader).observe(place, { childList: true, subtree: true });

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  requestInterceptor(request) {
    if (token()) request.headers["X-CSRFToken"] = token();
    return request;
  },
});
