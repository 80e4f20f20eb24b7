"""Records: the audit trail, metrics and gauges, and the daily usage of a workspace.

Nothing recorded here changes what the service does.
"""
