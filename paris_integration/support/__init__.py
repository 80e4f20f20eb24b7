"""What support staff do for a customer: grant units, pause, retry, purge, ask to reconnect.

Every act leaves an audit event with its author and reason. Knows nothing of the pages that call it.
"""
