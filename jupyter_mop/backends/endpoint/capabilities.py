"""The capabilities of a model at an endpoint: what was tried, and what is sent because of it."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_mop.rendering import Rendered

CHAT = "chat"
TEMPERATURE = "temperature"
TOP_P = "top_p"
THINKING = "thinking before the answer"
TOKENS = "log-probabilities of output tokens"
PROMPTS = "log-probabilities of a given text"
SCORING = "scores of chat responses"
SEEDS = "seeds"
ALL_TOKENS = "sampling from all tokens"
MANY = "several responses per call"
EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class Finding:
    """One capability: its name, whether it works, and what was observed."""

    what: str
    works: bool
    seen: str = ""

    @property
    def outcome(self) -> str:
        """Whether it works: "yes" or "no"."""
        return "yes" if self.works else "no"


@dataclass(frozen=True, slots=True)
class Capabilities(Rendered):
    """The capabilities of a model at an endpoint; each one was tried with a call.

    Attributes
    ----------
    endpoint, model : str
        Address of the endpoint, without a key, and name of the model.
    findings : tuple of Finding
        One for each capability.
    dialect : str
        How log-probabilities of a given text are requested: "echo", "prompt_logprobs" or "".
    limit_parameter : str
        Parameter for the output limit: "max_tokens" or "max_completion_tokens".
    n_top : int
        Number of most likely first tokens that are reported; 0 if none are.
    left_out : tuple of str
        Parameters that the model refuses, such as "temperature"; they are not sent.
    system_role : bool
        Whether the model takes system messages; otherwise they begin the first user message.
    merges_turns : bool
        Whether consecutive messages of one role are joined, because the model refuses them.
    thinking : tuple of int, optional
        Least and most tokens of thinking before an answer, as measured; None without thinking.

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
    limit_parameter: str = "max_tokens"
    n_top: int = 0
    left_out: tuple[str, ...] = ()
    system_role: bool = True
    merges_turns: bool = False
    thinking: tuple[int, int] | None = None

    def can(self, what: str) -> bool:
        """Return whether a capability was tried and works."""
        return any(finding.works for finding in self.findings if finding.what == what)

    def seen(self, what: str) -> str:
        """Return what was observed when a capability was tried."""
        return next((finding.seen for finding in self.findings if finding.what == what), "")

    def __repr__(self) -> str:
        width = max((len(finding.what) for finding in self.findings), default=0)
        lines = [f"{f.what:<{width}}  {f.outcome:<3}  {f.seen}".rstrip() for f in self.findings]
        return "\n  ".join([f"{self.endpoint}, model {self.model}", *lines])
