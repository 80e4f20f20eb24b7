"""What entitlements tell the rooms above."""

from django.dispatch import Signal

# Sent inside the transaction of the change; a receiver that raises undoes it. Carries `workspace_ids` (a queryset or
# list of UUIDs, to be read as often as wanted) and `now` (aware datetime). An override's end is not announced: no one
# writes anything then, so whoever plans ahead asks for the limits again when the time comes.
limits_changed = Signal()
