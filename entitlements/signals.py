"""What entitlements tell the rooms above."""

from django.dispatch import Signal

# Sent inside the transaction of the change, with `workspace_ids` (a queryset or collection) and `now`.
limits_changed = Signal()
