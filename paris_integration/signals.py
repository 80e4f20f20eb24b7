"""What others may hear of: sent after the commit."""

from __future__ import annotations

from django.dispatch import Signal

# A person's data was erased at Meta's order. `instance_ids`: those that read by the person's accounts;
# `usernames`: the accounts' names.
account_erased = Signal()
