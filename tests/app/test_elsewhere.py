"""The page on a machine of somebody else's, and on one that is busy."""

import json
import os
import socket
import subprocess
import sys
import urllib.request

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


# The page takes longer than the 3 s that Gradio would wait for it.
BUSY = """
import time, gradio
from colbert_kit.app.shell import serve
respond = gradio.routes.templates.TemplateResponse
def respond_late(**what):
    time.sleep(4)
    return respond(**what)
gradio.routes.templates.TemplateResponse = respond_late
with gradio.Blocks() as page:
    gradio.HTML("late but whole")
serve(page, {port})
"""


def test_a_page_that_comes_late_on_a_busy_machine_comes():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-u", "-c", BUSY.format(port=port)], stdout=subprocess.PIPE, text=True)
    try:
        while str(port) not in (line := process.stdout.readline()):
            assert line, "the page ended"
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).read().decode()
        assert process.poll() is None
        assert "late but whole" in page
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
