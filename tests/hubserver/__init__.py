"""A Hugging Face Hub on this machine, for tests: real HTTP, spoken to by the real client.

In a test, take the fixtures of ``tests/hubserver/fixtures.py``. By hand::

    python -m tests.hubserver --port 8899 --user alice:hf_local

What it has: repositories with commits, branches and tags; large files under signed addresses on another host; cards
that are validated; users, organizations and tokens with scopes; Spaces, as far as what is known of them; Jobs that run
their command here; failures on demand; and a record of all traffic. What it has not: Xet, buckets, pull requests,
discussions, scheduled jobs, mounted volumes, multi-part uploads, compressed answers, rate limits of its own.
"""

from tests.hubserver.jobs import JobSettings
from tests.hubserver.server import HubServer

__all__ = ["HubServer", "JobSettings"]
