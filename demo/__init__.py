"""What `make run` shows: seeded widgets, a start page, and the page of a publisher. Never part of production."""
