"""The demo of `make run`: example widgets, a start page, and a publisher's page. Not part of production."""
