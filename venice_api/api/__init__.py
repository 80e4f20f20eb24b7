"""The feed API: authentication, permissions, inputs, throttles, answers and errors.

The package knows no pages and no login at Meta. It calls Paris for feeds, and doesn't know how they are refreshed.
"""
