"""What support staff do for a customer, and why a feed isn't fresh.

Every action writes an audit event with its author and reason. Doesn't import or use the pages that call it.
"""
