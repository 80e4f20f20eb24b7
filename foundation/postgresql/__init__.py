"""Django's PostgreSQL backend with limits: a busy pool or a server that hangs costs a request seconds at most."""
