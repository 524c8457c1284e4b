"""From a job that the Hub describes back to a spec, to launch it again."""

from __future__ import annotations

from huggingface_hub import JobInfo, Volume

from colbert_kit.runners.spec import OWN_LABELS, UV_IMAGE, JobSpec

__all__ = ["spec_again"]


def spec_again(info: JobInfo, timeout_seconds: int) -> JobSpec:
    """The spec of an equal job; its script and kit are those that the job had, at the addresses in its command.

    Args:
        info: The job.
        timeout_seconds: How long it may run; the Hub's client does not say how long the first one might.

    Raises:
        InvalidConfig: The job is none that this kit could launch.
    """
    labels = info.labels or {}
    flavor = info.flavor
    return JobSpec(
        kind=labels.get("kind", "job"),
        command=tuple(info.command or ()),
        arguments=tuple(info.arguments or ()),
        image=info.docker_image or (f"hf.co/spaces/{info.space_id}" if info.space_id else UV_IMAGE),
        flavor=str(getattr(flavor, "value", flavor)) if flavor else "cpu-basic",
        timeout_seconds=timeout_seconds,
        environment=dict(info.environment or {}),
        # A mapping to nothing, or a list: of both the names.
        secrets=tuple(info.secrets or ()),
        labels={name: value for name, value in labels.items() if name not in OWN_LABELS},
        volumes=tuple(map(_volume_text, info.volumes or ())),
    )


def _volume_text(volume: Volume) -> str:
    revision = f"@{volume.revision}" if volume.revision else ""
    mode = "" if volume.read_only is None else ":ro" if volume.read_only else ":rw"
    return f"hf://{volume.type}s/{volume.source}{revision}:{volume.mount_path}{mode}"
