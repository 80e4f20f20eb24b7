"""`make mutants`: take each guard of the service away, one at a time, and see that a test fails.

`catalogue` lists the changes, each with the tests that must fail because of it.
"""
