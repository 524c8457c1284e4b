"""What each field of a card may hold. A checker adds to errors or warnings; fields not named may hold anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["FIELDS"]

Field = Callable[[Any, str, list[str], list[str]], None]

# https://huggingface.co/docs/hub/repositories-licenses
LICENSE_NAMES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m afl-3.0
artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0
cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0
epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research
intel-research lppl-1.3c ms-pl mpl-2.0 odc-by odbl open-mdw openrail++ osl-3.0 postgresql ofl-1.1 ncsa
unlicense zlib pddl lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2
llama3.3 llama4 grok2-community gemma apple-ascl apple-amlr unknown other
"""

# https://huggingface.co/tasks, and the ones without a page there.
TASK_NAMES = """
text-classification token-classification table-question-answering question-answering zero-shot-classification
summarization feature-extraction text-generation fill-mask sentence-similarity text-to-speech text-to-audio
automatic-speech-recognition audio-to-audio audio-classification audio-text-to-text voice-activity-detection
depth-estimation image-classification object-detection image-segmentation text-to-image image-to-text image-to-image
image-to-video unconditional-image-generation video-classification reinforcement-learning robotics
tabular-classification tabular-regression tabular-to-text table-to-text multiple-choice text-ranking text-retrieval
time-series-forecasting text-to-video image-text-to-text image-text-to-image image-text-to-video
visual-question-answering document-question-answering zero-shot-image-classification graph-ml mask-generation
zero-shot-object-detection text-to-3d image-to-3d image-feature-extraction video-text-to-text video-to-video
keypoint-detection visual-document-retrieval any-to-any other translation
"""

LICENSES, TASKS = LICENSE_NAMES.split(), TASK_NAMES.split()
COLORS = ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]
REPO_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")
LANGUAGE_HELP = (
    'is not valid. It must be an ISO 639-1, 639-2 or 639-3 code (two/three letters), or a special value like "code", '
    '"multilingual". If you want to use BCP-47 identifiers, you can specify them in language_bcp47.'
)


def typed(words: str, *types: type) -> Field:
    def field(value: Any, name: str, errors: list[str], _warnings: list[str]) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            errors.append(f'"{name}" must be {words}')

    return field


text = typed("a string", str)
version = typed("a string", str, int, float)
flag = typed("a boolean", bool)
number = typed("a number", int, float)


def one_of(choices: list[str]) -> Field:
    def field(value: Any, name: str, errors: list[str], _warnings: list[str]) -> None:
        if value not in choices:
            errors.append(f'"{name}" must be one of [{", ".join(choices)}]')

    return field


def known(choices: list[str], title: str) -> Field:
    """Values of an official list; others are warned of."""

    def field(value: Any, name: str, errors: list[str], warnings: list[str]) -> None:
        text(value, name, errors, warnings)
        if isinstance(value, str) and value not in choices:
            warnings.append(f'The {title} "{value}" is not in the official list: {", ".join(choices)}')

    return field


def matching(pattern: re.Pattern[str], words: str) -> Field:
    def field(value: Any, name: str, errors: list[str], warnings: list[str]) -> None:
        text(value, name, errors, warnings)
        if isinstance(value, str) and not pattern.fullmatch(value):
            errors.append(f'"{name}" with value "{value}" {words}')

    return field


def list_of(item: Field, *, or_one: bool = False) -> Field:
    """A list; where ``or_one``, a single value too."""

    def field(value: Any, name: str, errors: list[str], warnings: list[str]) -> None:
        if isinstance(value, list):
            for index, one in enumerate(value):
                item(one, f"{name}[{index}]", errors, warnings)
        elif or_one:
            item(value, name, errors, warnings)
        else:
            errors.append(f'"{name}" must be an array')

    return field


def mapping(required: tuple[str, ...] = (), **fields: Field) -> Field:
    def field(value: Any, name: str, errors: list[str], warnings: list[str]) -> None:
        if not isinstance(value, dict):
            errors.append(f'"{name}" must be of type object')
            return
        errors += [f'"{name}.{key}" is required' for key in required if value.get(key) is None]
        for key, inner in fields.items():
            if value.get(key) is not None:
                inner(value[key], f"{name}.{key}", errors, warnings)

    return field


def anything(_value: Any, _name: str, _errors: list[str], _warnings: list[str]) -> None:
    """For a field that must be there, with any value."""


def short(limit: int) -> Field:
    def field(value: Any, name: str, errors: list[str], warnings: list[str]) -> None:
        text(value, name, errors, warnings)
        if isinstance(value, str) and len(value) > limit:
            errors.append(f'"{name}" length must be less than or equal to {limit} characters long')

    return field


def repo_ids(what: str) -> Field:
    return list_of(matching(REPO_ID, f"is not valid. Use a {what} id from https://hf.co/{what}s."), or_one=True)


def any_of(*choices: Field) -> Field:
    """Valid when one of the fields finds no error; else the last one's errors."""

    def field(value: Any, name: str, errors: list[str], warnings: list[str]) -> None:
        found: list[str] = []
        for choice in choices:
            found = []
            choice(value, name, found, warnings)
            if not found:
                return
        errors += found

    return field


RESULT = mapping(
    ("task", "metrics"),
    task=mapping(("type",), type=text, name=text),
    dataset=mapping(("type", "name"), type=text, name=text, config=text, split=text, revision=text),
    metrics=list_of(mapping(("type", "value"), type=text, value=anything, name=text)),
    source=mapping(("url",), name=text, url=text),
)
SPLIT = mapping(("split", "path"), split=text, path=list_of(text, or_one=True))
CONFIG = mapping(
    ("config_name",),
    config_name=text,
    data_files=any_of(list_of(text, or_one=True), list_of(SPLIT)),
    data_dir=text,
    default=flag,
)

COMMON: dict[str, Field] = {
    "license": list_of(one_of(LICENSES), or_one=True),
    "license_name": text,
    "license_link": text,
    "language": list_of(matching(LANGUAGE, LANGUAGE_HELP), or_one=True),
    "tags": list_of(text),
    "thumbnail": text,
}
FIELDS: dict[str, dict[str, Field]] = {
    "models": COMMON
    | {
        "library_name": text,
        "pipeline_tag": known(TASKS, "pipeline tag"),
        "base_model": repo_ids("model"),
        "datasets": repo_ids("dataset"),
        "metrics": list_of(text, or_one=True),
        "model-index": list_of(mapping(("name", "results"), name=text, results=list_of(RESULT))),
    },
    "datasets": COMMON
    | {
        "pretty_name": text,
        "viewer": flag,
        "task_categories": list_of(known(TASKS, "task_categories"), or_one=True),
        "size_categories": list_of(text, or_one=True),
        "source_datasets": list_of(text, or_one=True),
        "configs": list_of(CONFIG),
        "dataset_info": list_of(mapping(), or_one=True),
    },
    "spaces": COMMON
    | {
        "title": text,
        "emoji": text,
        "colorFrom": one_of(COLORS),
        "colorTo": one_of(COLORS),
        "sdk": one_of(["gradio", "docker", "static", "streamlit"]),
        "sdk_version": version,
        "python_version": version,
        "app_file": text,
        "app_port": number,
        "short_description": short(60),
        "pinned": flag,
        "fullWidth": flag,
        "header": one_of(["default", "mini"]),
        "disable_embedding": flag,
        "hf_oauth": flag,
        "hf_oauth_scopes": list_of(text),
        "hf_oauth_expiration_minutes": number,
        "models": list_of(matching(REPO_ID, "is not valid. Use a model id from https://hf.co/models.")),
        "datasets": list_of(matching(REPO_ID, "is not valid. Use a dataset id from https://hf.co/datasets.")),
        "preload_from_hub": list_of(text),
        "suggested_hardware": text,
        "startup_duration_timeout": text,
    },
}
