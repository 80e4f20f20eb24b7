"""Connecting and disconnecting Instagram accounts: the login redirects through Meta, and Meta's callbacks.

The package handles redirects and sessions. Tokens, states and permissions belong to Paris; it never sees a token.
"""
