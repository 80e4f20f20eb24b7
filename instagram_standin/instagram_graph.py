"""graph.instagram.com: what an Instagram token may read, which is the account that logged in and no other."""

from __future__ import annotations

from instagram_standin.graph import GraphHost
from instagram_standin.tokens import Family


class InstagramGraph(GraphHost):
    prefix = "/ig-graph"
    family = Family.INSTAGRAM
