"""The feed API: who may ask, what may be asked, how often, and every answer and error on the wire.

It knows no page, and no login at Meta. It asks Paris for feeds, and never looks at how they are refreshed.
"""
