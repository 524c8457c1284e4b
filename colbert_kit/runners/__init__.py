"""Jobs: the kit's scripts run as processes of this machine or on the Hub's, and are followed the same way.

Example:
    >>> spec = script_spec("train", ["--config", "config.yaml", "--push-to", "me/model"])  # doctest: +SKIP
    >>> runner = HfJobsRunner("me")  # doctest: +SKIP
    >>> job = runner.launch(spec, confirm_usd=runner.cost_ceiling(spec))  # doctest: +SKIP
    >>> follow(runner, job.id).wait().state  # doctest: +SKIP
    'COMPLETED'
"""

from colbert_kit.hub import redacted
from colbert_kit.runners.arguments import JobArguments, moved_source
from colbert_kit.runners.events import Event, Failure, Metrics, Result, format_event, parse_event
from colbert_kit.runners.flavors import OFFLINE_FLAVORS, Flavor
from colbert_kit.runners.following import Follower, JobLog, follow
from colbert_kit.runners.hf_jobs import HfJobsRunner, login_token
from colbert_kit.runners.job import FINAL_STATES, STATES, Job
from colbert_kit.runners.local import LocalRunner
from colbert_kit.runners.pushing import open_target, repository_of
from colbert_kit.runners.reporting import Report, reporting
from colbert_kit.runners.runner import Runner
from colbert_kit.runners.scripts import script_help, script_names, script_path, script_spec
from colbert_kit.runners.shipping import build_wheel
from colbert_kit.runners.spaces import Deployed, deploy, write_space
from colbert_kit.runners.spec import JobSpec
from colbert_kit.runners.usage import GpuUsage, Usage
from colbert_kit.runners.work import claim

__all__ = [
    "FINAL_STATES",
    "OFFLINE_FLAVORS",
    "STATES",
    "Deployed",
    "Event",
    "Failure",
    "Flavor",
    "Follower",
    "GpuUsage",
    "HfJobsRunner",
    "Job",
    "JobArguments",
    "JobLog",
    "JobSpec",
    "LocalRunner",
    "Metrics",
    "Report",
    "Result",
    "Runner",
    "Usage",
    "build_wheel",
    "claim",
    "deploy",
    "follow",
    "format_event",
    "login_token",
    "moved_source",
    "open_target",
    "parse_event",
    "redacted",
    "reporting",
    "repository_of",
    "script_help",
    "script_names",
    "script_path",
    "script_spec",
    "write_space",
]
