"""What works with folders and jobs of the machine, on a machine of somebody else's."""

import json
import os
import subprocess
import sys

import pytest

# In a process of its own: a page leaves the event loop that it is built in open.
CODE = """
import json
import gradio as gr
from colbert_kit.app.evaluate_panel import add_evaluate_panel
from colbert_kit.app.index_panel import add_index_panel
for add in (add_index_panel, add_evaluate_panel):
    with gr.Blocks() as page:
        add(page)
    parts = page.get_config_file()["components"]
    print(json.dumps([[part["type"], str(part["props"].get("value"))] for part in parts]))
"""


@pytest.mark.parametrize("where", [{"SPACE_ID": "me/search"}, {"GRADIO_SERVER_NAME": "0.0.0.0"}])
def test_a_line_says_what_to_do_and_there_is_nothing_to_click(where):
    environment = {**os.environ, **where}
    run = subprocess.run([sys.executable, "-c", CODE], env=environment, check=True, capture_output=True, text=True)
    panels = [json.loads(line) for line in run.stdout.splitlines()]
    assert [[kind for kind, _ in parts] for parts in panels] == [["html"], ["html"]]
    for parts in panels:
        assert "needs a machine of your own: install colbert_kit there and start python app.py" in parts[0][1]
