"""Jobs for tests of the page: small programs that say what a training says."""

import sys

from colbert_kit.runners import JobSpec

__all__ = ["HOSTILE_LINES", "TRAINED", "job"]

TOKEN = "hf_" + "t" * 34
HOSTILE_LINES = [
    "<script>document.title = 'broken'</script><img src=x onerror='document.title=1'>",
    "the log ${1+1} `ticks` {{curly}} \\n",
    "\u202e right to left \u0645\u0631\u062d\u0628\u0627",
    "a NUL\x00 and a bell\x07",
]
TRAINED = f"""
import json
def say(**event):
    print("::colbert-kit:: " + json.dumps(event))
for step in range(1, 21):
    say(event="metrics", step=step, steps=20, values={{"loss": 2 / step, "learning_rate": 1e-5}})
say(event="metrics", step=20, steps=20, values={{"nDCG@10": 0.75}})
for line in {HOSTILE_LINES!r}:
    print(line)
print("my token is hf_" + 34 * "t")
print("x" * 1_000_000)
say(event="result", values={{"folder": "/models/<b>mine</b>", "start": 0.5, "best": 0.75}})
"""


def job(code, **settings):
    return JobSpec(**{"kind": "train", "command": (sys.executable, "-c", code), "timeout_seconds": 60, **settings})
