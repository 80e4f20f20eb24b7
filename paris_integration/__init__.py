"""Paris: feeds, tokens, quotas and calls to Meta. Other apps import `paris_integration.public` only."""
