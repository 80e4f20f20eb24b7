"""Signals that entitlements send to other apps."""

from django.dispatch import Signal

# Sent inside the transaction of the change: if a receiver raises, the change is rolled back. Arguments: `workspace_ids`
# (a queryset or list of UUIDs; iterate as often as needed) and `now` (aware datetime). The end of an override sends no
# signal, because nothing is written then: check the limits again when you act on them.
limits_changed = Signal()
