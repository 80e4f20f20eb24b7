"""What monitoring asks for: liveness, readiness and metrics.

It knows no widget and no person.
"""
