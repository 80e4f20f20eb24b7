"""The feed API: authentication, permissions, inputs, throttles, answers and errors.

The package doesn't use pages or logins at Meta. It calls Paris for feeds, which also refreshes them.
"""
