"""``python -m colbert_kit.cli``: the command where no script is installed, as under ``torchrun``."""

from colbert_kit.cli import main

if __name__ == "__main__":  # a process that is spawned imports this file too
    main()
