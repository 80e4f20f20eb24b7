"""Venice: everything that browsers talk to. It owns each widget's configuration.

The packages are `accounts`, `api`, `connect`, `editor`, `embed`, `support` and `ops`. They share these modules:
`instances` (a widget's configuration), `embed_tokens`, `values` (settings parsed from text), `wording` (texts for
people), `policies` (Content-Security-Policy), `acting` (who acts) and `client_address`.
Venice doesn't import providers or use Meta's tokens. It calls `paris_integration.public`.
"""
