"""What a workspace may do: plans, overrides, members. Imports neither Venice nor Paris."""
