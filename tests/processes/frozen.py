"""Imported last by the fork server: the packages stay, so that no fork looks for garbage among them."""

import gc

gc.collect()
gc.freeze()
