"""Paris: everything privileged. Others import `paris_integration.public` only."""
