"""Connecting and disconnecting Instagram accounts: the browser's way to Meta and back, and Meta's own callbacks.

It knows redirects and sessions. Tokens, states and permissions are Paris's: it never sees a token.
"""
