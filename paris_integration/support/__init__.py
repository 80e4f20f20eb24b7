"""Actions of support staff: grant units, pause, retry, purge, ask to reconnect.

Every action writes an audit event with its author and reason. Knows nothing about the pages that call it.
"""
