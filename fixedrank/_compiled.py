"""Kernels that numba compiles where it is installed: never required, and imported late.

What calls a kernel has the same in NumPy: it asks for the module of the kernel by :func:`kernels`
and does without if there is none. Threads may call a kernel at once, and processes of any kind may
start after it: kernels start no threads of their own. What a kernel needs of other modules goes in
by its arguments, since on disk it is known by its own file only.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str) -> Callable[[Function], Function]:
    """Compile functions of a signature, and keep them on disk; without numba, leave them be.

    They are kept beside their source, or in the user's cache where that cannot be written; where
    neither can, each process compiles them anew.
    """

    def decorate(kernel: Function) -> Function:
        try:
            import numba
        except ImportError:
            return kernel
        # As in NumPy, 1 / 0 is infinite; and sums are taken in the order in which they stand.
        compile_it = functools.partial(numba.njit, signature, nogil=True, error_model="numpy")
        try:
            return compile_it(cache=True)(kernel)
        except RuntimeError:
            return compile_it()(kernel)

    return decorate


@functools.cache
def kernels(module: str) -> ModuleType | None:
    """Return a module of kernels, or None where numba is not there, or told not to compile.

    A numba that is there and does not work, as with a NumPy that is too new for it, is told once.
    """
    try:
        import numba

        return None if numba.config.DISABLE_JIT else importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == "numba":
            return None
        reason: Exception = error
    except Exception as error:
        reason = error
    warnings.warn(
        f"numba is installed and cannot be used, so that nothing is compiled: {reason}",
        RuntimeWarning,
        stacklevel=2,
    )
    return None
