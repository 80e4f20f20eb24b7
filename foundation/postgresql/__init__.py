"""Django's PostgreSQL backend, under which a busy pool and a hung server cost a request seconds at most."""
