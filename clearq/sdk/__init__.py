"""The blocking, ClearML-shaped face: ``Task`` and ``Logger`` over one background loop and the async engine.

A user's program never waits for the network here, except in calls that read from the server. What it reports
goes through an :class:`~clearq.sdk.outbox.Outbox`; the server may come and go.
"""
