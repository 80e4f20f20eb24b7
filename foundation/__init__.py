"""What every room stands on: configuration from the environment, the resilient cache, database clock, logs.

Nothing here knows Instagram, plans or widgets, and nothing here imports the other packages.
"""
