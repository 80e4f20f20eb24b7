"""A stand-in for Meta's hosts: the shapes of the Graph API over real HTTP, with faults at the flick of a switch.

A program of its own: it shares no import with the product, which reaches it through its URL settings alone.
"""
