"""A stand-in for Meta's hosts: Graph shapes, faults on request, and a small world of accounts with pictures.

It stands where Meta stands, so it shares nothing with the product: the standard library, Pillow, and what Meta's
documentation says. Tests use it in process (`instagram_standin.server.StandIn`), the demo as a process of its own
(`python -m instagram_standin`).
"""
