"""What an endpoint can do, as it was found by asking it."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_mop.rendering import Rendered

CHAT = "chat"
TOKENS = "log-probabilities of what it writes"
PROMPTS = "log-probabilities of a given text"
SCORING = "scores of chat replies"
SEEDS = "seeds"
ALL_TOKENS = "draws from all tokens"
MANY = "several answers to one call"
EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: whether it works, and what was seen."""

    what: str
    works: bool
    seen: str = ""

    @property
    def outcome(self) -> str:
        """Whether it works, in a word."""
        return "yes" if self.works else "no"


@dataclass(frozen=True, slots=True)
class Capabilities(Rendered):
    """What an endpoint can do with a model: each line was tried, none is believed.

    Attributes
    ----------
    endpoint, model : str
        Where was asked, without a key, and for which model.
    findings : tuple of Finding
        In the order tried.
    dialect : str
        How it gives log-probabilities of a given text: "echo", "prompt_logprobs" or "".
    limit : str
        What it calls the longest answer: "max_tokens" or "max_completion_tokens".
    n_top : int
        How many likeliest first tokens it tells of; 0 where none.

    Examples
    --------
    >>> found = (Finding("chat", works=True), Finding("seeds", works=False, seen="ignored"))
    >>> Capabilities("localhost:8080/v1", "smol", found)
    localhost:8080/v1, model smol
      chat   yes
      seeds  no   ignored
    >>> Capabilities("localhost:8080/v1", "smol", found).can("seeds")
    False
    """

    endpoint: str
    model: str
    findings: tuple[Finding, ...]
    dialect: str = ""
    limit: str = "max_tokens"
    n_top: int = 0

    def can(self, what: str) -> bool:
        """Return whether a thing was tried and works."""
        return any(finding.works for finding in self.findings if finding.what == what)

    def seen(self, what: str) -> str:
        """Return what was seen when a thing was tried."""
        return next((finding.seen for finding in self.findings if finding.what == what), "")

    def __repr__(self) -> str:
        width = max((len(finding.what) for finding in self.findings), default=0)
        lines = [f"{f.what:<{width}}  {f.outcome:<3}  {f.seen}".rstrip() for f in self.findings]
        return "\n  ".join([f"{self.endpoint}, model {self.model}", *lines])
