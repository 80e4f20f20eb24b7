// Draws the schema; the CSRF token goes along with what is tried, as the API asks for it.
"use strict";

const place = document.getElementById("docs");
const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  deepLinking: true,
  requestInterceptor(request) {
    if (token()) request.headers["X-CSRFToken"] = token();
    return request;
  },
});
