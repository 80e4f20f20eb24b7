"""What the other packages share: settings from the environment and their checks, the cache, threads and database
connections, readiness probes, logs, metrics, and the web server's worker class.

Doesn't use Instagram, plans or widgets, and imports none of the other packages.
"""
