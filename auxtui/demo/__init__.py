"""A small real CommCell to try auxtui on: real files of this host as backup jobs, real copies."""

from auxtui.demo.running import run_demo

__all__ = ["run_demo"]
