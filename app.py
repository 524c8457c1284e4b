"""The search page: ``python app.py``, or ``python app.py --index FOLDER_OR_REPO``."""

import argparse

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Search documents by meaning in the browser.")
    parser.add_argument("--index", help="a folder or a Hub dataset repository; the SciFact demo if left out")
    parser.add_argument("--port", type=int, help="the first free one from 7860 if left out")
    arguments = parser.parse_args()

    # Here and not above: the process that searches runs this file's top too, and must not load Gradio.
    from colbert_kit.app import launch

    launch(index=arguments.index, port=arguments.port)
