"""arq's face: run an existing arq ``WorkerSettings``, and enqueue with arq's arguments (``clearq help from-arq``).

``ClearqArqRedis`` and ``Job`` need no arq; ``clearq worker run --arq`` does (``pip install 'clearq[arq]'``).
"""

from clearq.arq.jobs import Job
from clearq.arq.redis import ClearqArqRedis, create_pool
from clearq.arq.words import JobDef, JobResult, JobStatus, ResultNotFound

__all__ = ["ClearqArqRedis", "Job", "JobDef", "JobResult", "JobStatus", "ResultNotFound", "create_pool"]
