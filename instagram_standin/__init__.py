"""A stand-in for Meta's hosts: Graph's shapes, faults on request, and a small world of accounts with pictures.

It imports nothing but the standard library; its shapes are those of Meta's documentation. Tests use it in process
(`instagram_standin.server.StandIn`), the demo as its own process (`python -m instagram_standin`).
"""
