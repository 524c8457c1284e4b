"""Compiles the kernel into the wheel where there is a C compiler, and adds jobs and Spaces; else see pyproject.toml."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

KERNEL = Path("colbert_kit/scores/kernel")


def load_compiling() -> ModuleType:
    """The one file of the kit that a build needs, without what the kit imports."""
    spec = importlib.util.spec_from_file_location("compiling", Path(__file__).parent / KERNEL / "compiling.py")
    if spec is None or spec.loader is None:
        raise ImportError("colbert_kit/scores/kernel/compiling.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compiling = load_compiling()


class BuildWithKernel(build_py):
    """Puts the compiled kernel beside its sources; an editable install compiles at first use instead."""

    def run(self) -> None:
        """Copy the package, then compile."""
        super().run()
        if self.editable_mode:
            return
        # A checkout has them beside the package, where people look for them; a wheel in it.
        self.mkpath(str(Path(self.build_lib) / "colbert_kit" / "jobs"))
        for script in Path("jobs").glob("*.py"):
            self.copy_file(str(script), str(Path(self.build_lib) / "colbert_kit" / script))
        for file in Path("spaces").glob("*/*.*"):
            copy = Path(self.build_lib) / "colbert_kit" / file
            self.mkpath(str(copy.parent))
            self.copy_file(str(file), str(copy))
        folder = Path(self.build_lib) / KERNEL
        for stale in folder.glob("kernel-*.so"):
            stale.unlink()
        try:
            compiling.compile_into(folder / compiling.library_name())
        except OSError as error:
            self.warn(f"the wheel has no compiled kernel, so it compiles at first use: {error}")


class WithKernel(Distribution):
    """Of one platform where the kernel can be compiled."""

    def has_ext_modules(self) -> bool:
        """Whether there will be something that only this platform runs."""
        return compiling.compiler() is not None


class WheelOfAnyPython(bdist_wheel):
    """The kernel is called through ctypes and knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Any Python 3, this platform."""
        return "py3", "none", super().get_tag()[2]


setup(distclass=WithKernel, cmdclass={"build_py": BuildWithKernel, "bdist_wheel": WheelOfAnyPython})
