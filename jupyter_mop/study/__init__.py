"""A study: its session, its verbs and its runs."""

from jupyter_mop.study.study import Study

__all__ = ["Study"]
