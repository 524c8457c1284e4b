"""Run the Hub by hand, until it is interrupted or terminated."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading

from tests.hubserver import HubServer, JobSettings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hubserver", description=__doc__)
    parser.add_argument("--port", type=int, default=8899)
    parser.add_argument("--storage-port", type=int, default=0, help="where large files lie; a free port where 0")
    help_user = "a user, and the token to log in with; made up where none is given; may be repeated"
    parser.add_argument("--user", action="append", metavar="NAME[:TOKEN]", help=help_user)
    arguments = parser.parse_args()
    settings = JobSettings(uv=shutil.which("uv"), scheduling_seconds=1.0)
    hub = HubServer(port=arguments.port, storage_port=arguments.storage_port, job_settings=settings)
    users = [user.partition(":")[::2] for user in arguments.user or ["alice"]]
    tokens = {}
    for name, token in users:
        hub.accounts.add_user(name)
        tokens[name] = hub.accounts.add_token(name, value=token or None)
    # The token that Gradio's sign-in gives where there is no Space.
    hub.accounts.add_token(users[0][0], value="mock-oauth-token-for-local-dev")
    with hub:
        sys.stdout.write(f"export HF_ENDPOINT={hub.url} HF_HUB_DISABLE_XET=1\n")
        sys.stdout.writelines(f"export HF_TOKEN={token}  # {name}\n" for name, token in tokens.items())
        sys.stdout.flush()
        done = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: done.set())
        done.wait()


main()
