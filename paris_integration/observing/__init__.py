"""Records of what happened: the audit trail, metrics and gauges, and the daily usage of a workspace.

Decides nothing: what is recorded here never changes what the service does.
"""
