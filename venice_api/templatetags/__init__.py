"""Template tags, by page."""
