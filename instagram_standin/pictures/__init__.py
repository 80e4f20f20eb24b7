"""Pictures and short films for the demo world, drawn from a seed: the same seed gives the same picture for ever."""
