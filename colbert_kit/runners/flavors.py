"""The Hub's machines and what they cost."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colbert_kit.errors import InvalidConfig, InvalidInput

if TYPE_CHECKING:
    from huggingface_hub import JobHardwareInfo

__all__ = ["OFFLINE_FLAVORS", "Flavor", "check_confirmed", "find_flavor", "flavors_of"]

logger = logging.getLogger(__name__)

PRICES_OF = "August 2026"

# https://huggingface.co/docs/hub/jobs-pricing: name | processors | RAM GB | accelerators | dollars an hour
TABLE = """
cpu-basic       | 2   | 16   |                           | 0.01
cpu-upgrade     | 8   | 32   |                           | 0.03
cpu-performance | 32  | 256  |                           | 1.90
cpu-xl          | 16  | 124  |                           | 1.00
t4-small        | 4   | 15   | 1x T4, 16 GB              | 0.40
t4-medium       | 8   | 30   | 1x T4, 16 GB              | 0.60
a10g-small      | 4   | 15   | 1x A10G, 24 GB            | 1.00
a10g-large      | 12  | 46   | 1x A10G, 24 GB            | 1.50
a10g-largex2    | 24  | 92   | 2x A10G, 48 GB            | 3.00
a10g-largex4    | 48  | 184  | 4x A10G, 96 GB            | 5.00
a100-large      | 12  | 142  | 1x A100, 80 GB            | 2.50
a100x4          | 48  | 568  | 4x A100, 320 GB           | 10.00
a100x8          | 96  | 1136 | 8x A100, 640 GB           | 20.00
h200            | 23  | 256  | 1x H200, 141 GB           | 5.00
h200x2          | 46  | 512  | 2x H200, 282 GB           | 10.00
h200x4          | 92  | 1024 | 4x H200, 564 GB           | 20.00
h200x8          | 184 | 2048 | 8x H200, 1128 GB          | 40.00
rtx-pro-6000    | 23  | 256  | 1x RTX PRO 6000, 96 GB    | 2.75
rtx-pro-6000x2  | 46  | 512  | 2x RTX PRO 6000, 192 GB   | 5.50
rtx-pro-6000x4  | 92  | 1024 | 4x RTX PRO 6000, 384 GB   | 11.00
rtx-pro-6000x8  | 184 | 2048 | 8x RTX PRO 6000, 768 GB   | 22.00
l4x1            | 8   | 30   | 1x L4, 24 GB              | 0.80
l4x4            | 48  | 186  | 4x L4, 96 GB              | 3.80
l40sx1          | 8   | 62   | 1x L40S, 48 GB            | 1.80
l40sx4          | 48  | 382  | 4x L40S, 192 GB           | 8.30
l40sx8          | 192 | 1534 | 8x L40S, 384 GB           | 23.50
"""


@dataclass(frozen=True)
class Flavor:
    """A machine that jobs can be run on.

    Args:
        name: ``"l4x1"``.
        cpu: ``"8 vCPU"``.
        ram: ``"30 GB"``.
        accelerator: ``"1x L4, 24 GB"``; None for a machine without.
        usd_per_minute: What the Hub bills for each minute begun.
        as_of: When the price was known, where the Hub could not be asked; None where it was.
    """

    name: str
    cpu: str
    ram: str
    accelerator: str | None
    usd_per_minute: float
    as_of: str | None = None

    @property
    def usd_per_hour(self) -> float:
        """What an hour costs."""
        return round(60 * self.usd_per_minute, 4)

    def ceiling_usd(self, timeout_seconds: int) -> float:
        """What a job costs at most: the price times its timeout, both rounded up, to minutes and to cents.

        Example:
            >>> OFFLINE_FLAVORS[1].ceiling_usd(5400)
            0.05
        """
        cents = 100 * math.ceil(timeout_seconds / 60) * self.usd_per_minute
        # The Hub rounds a minute's price to a millionth of a dollar; that must not make a cent more.
        return math.ceil(round(cents, 2)) / 100


def _offline(line: str) -> Flavor:
    name, cpu, ram, accelerator, hourly = (part.strip() for part in line.split("|"))
    return Flavor(name, f"{cpu} vCPU", f"{ram} GB", accelerator or None, float(hourly) / 60, PRICES_OF)


OFFLINE_FLAVORS = tuple(map(_offline, TABLE.strip().splitlines()))
"""What there was in August 2026, for when the Hub cannot be asked."""


def flavors_of(hardware: Iterable[JobHardwareInfo]) -> list[Flavor]:
    """Machines as the Hub's client describes them; one that is not billed by the minute can be given no ceiling."""
    found = []
    for one in hardware:
        if one.unit_label != "minute":
            logger.warning("%s is billed by the %s, and is left out.", one.name, one.unit_label)
            continue
        card = one.accelerator
        accelerator = f"{card.quantity}x {card.model}, {card.vram}" if card else None
        found.append(Flavor(one.name, one.cpu, one.ram, accelerator, one.unit_cost_usd))
    return found


def find_flavor(flavors: Iterable[Flavor], name: str) -> Flavor:
    """The machine of a name.

    Raises:
        InvalidConfig: There is none.
    """
    known = {one.name: one for one in flavors}
    if name not in known:
        raise InvalidConfig(f"flavor must be one of {', '.join(known)}; got {name!r}.")
    return known[name]


def check_confirmed(flavor: Flavor, timeout_seconds: int, confirm_usd: float) -> None:
    """Let nothing be launched whose price was not agreed to.

    Raises:
        InvalidInput: The job may cost more than ``confirm_usd``.
    """
    ceiling = flavor.ceiling_usd(timeout_seconds)
    if confirm_usd < ceiling:
        since = f" (price of {flavor.as_of})" if flavor.as_of else ""
        raise InvalidInput(
            f"{flavor.name} at ${flavor.usd_per_hour:.2f} an hour{since} for up to {timeout_seconds} seconds may cost "
            f"${ceiling:.2f}, and ${confirm_usd:.2f} are confirmed; confirm_usd={ceiling:.2f} (--yes) launches it."
        )
