"""The API in writing: what every answer may hold, as OpenAPI 3.1, and the page that shows it."""
