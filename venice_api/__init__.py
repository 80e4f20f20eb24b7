"""Venice: everything that browsers talk to, and the owner of each widget's configuration.

A package per part: `api`, `connect`, `editor`, `embed`, `support`, `ops`. What they share is beside them: `instances`
(a widget's configuration), `embed_tokens`, `values` (settings read from text), `wording` (what people read),
`policies` (Content-Security-Policy), `acting` (who acts), `client_address`.
Venice knows no provider and no token of Meta's; it asks `paris_integration.public`.
"""
