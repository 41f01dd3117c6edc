"""Tests of your functions without a server and without waiting.

>>> async with simulate(app) as sim:
...     handle = await resize.enqueue("a.png")
...     await sim.run_until_idle()
...     assert await handle.result() == 3

The engine is the real one: the same Lua decides, on fakeredis (``pip install 'clearq[testing]'``). The clock stands
still until it is told to go on; a worker can be made to die at the worst moment. pytest finds the fixtures
``clearq_worker``, ``clearq_clock`` and ``clearq_app`` by itself.
"""

from clearq.testing.clock import START, ManualClock
from clearq.testing.simulation import Ran, Simulation, simulate

__all__ = ["START", "ManualClock", "Ran", "Simulation", "simulate"]
