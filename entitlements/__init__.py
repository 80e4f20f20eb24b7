"""What a workspace may do: plans, overrides, members. Knows no Instagram and imports neither Venice nor Paris."""
