"""How fast the service is. Figures to look at, nothing that passes or fails."""
