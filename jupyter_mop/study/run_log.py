"""A study's runs: each long verb is noted in the store, listed, and done again where it stopped."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from jupyter_mop.backends.store.dry_run import PlannedBackend
from jupyter_mop.backends.store.run_history import StoredRun
from jupyter_mop.backends.store.run_record import EndState, RunRecord, use_record
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.files import SETTINGS
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import (
    BudgetError,
    DataError,
    ModelError,
    MopError,
    NotFittedError,
    StoreError,
)
from jupyter_mop.study.session import Session

P = ParamSpec("P")
R = TypeVar("R")

NEEDS = {
    "fit": ("personas", "population"),
    "simulate": ("personas", "population", "target", "mixture"),
    "ask": ("personas", "population", "target", "mixture"),
    "synthesize": ("population",),
}
_SAID = {
    "personas": ("personas", "%%mop_personas"),
    "population": ("records", "%mop_population"),
    "target": ("records", "%mop_population"),
    "mixture": ("learned weights", "%mop_fit"),
    "model": ("a model", "%mop_backend"),
}
_QUESTION, _UNKEPT = "__question__", "__unkept__"
_LONGEST_FACT = 4000


def resumed_arguments(session: Session, run: StoredRun) -> dict[str, Any]:
    """Return the arguments with which a run of the store can be repeated in this session.

    Raises
    ------
    DataError
        Another notebook is at it, or this session has other personas, records, weights or another
        model than the run was made with.
    """
    if not run.is_over:
        raise DataError(
            f"Run {run.run} is still going on.", hint="Wait for it, or stop its kernel."
        )
    _check_basis(session, run)
    return {name: _given(name, value) for name, value in run.arguments.items()}


def _basis(session: Session, verb: str) -> dict[str, str]:
    """Return a digest of each thing that a verb stands on and this session has."""
    held = {name: _digest(getattr(session, name)) for name in NEEDS[verb]}
    return {name: digest for name, digest in held.items() if digest}


def _check_basis(session: Session, run: StoredRun) -> None:
    """Raise a DataError if this session would do something else than the run did."""
    was, now = run.facts.get("basis", {}), _basis(session, run.verb)
    other = [name for name in was if was[name] != now.get(name)]
    if "mixture" in now and "mixture" not in was:
        raise DataError(
            f"Run {run.run} was made before the weights were learned.",
            hint="Name the records again with %mop_population, which forgets the weights, "
            f"then %mop_resume {run.run}.",
        )
    if not other and run.model and run.model != session.backend.fingerprint:
        other = ["model"]
    if other:
        said, cells = (
            list(dict.fromkeys(part)) for part in zip(*(_SAID[name] for name in other), strict=True)
        )
        raise DataError(
            f"Run {run.run} was made with {_listed(said)} that this study does not have.",
            hint=f"Run the cells with {_listed(cells)} as then, then %mop_resume {run.run}.",
        )


@contextmanager
def _recording(session: Session, verb: str, arguments: Mapping[str, Any]) -> Iterator[RunRecord]:
    """Keep the run record of what is done inside."""
    books = RunRecord(session.store, verb, arguments, {"basis": _basis(session, verb)})
    ended, before = None, session.backend.usage
    try:
        with use_record(books):
            yield books
    except BaseException as error:
        ended = error
        raise
    finally:
        books.facts["usd"] = session.backend.spent(before)
        _close(books, ended)


def recorded(verb: Callable[P, R]) -> Callable[P, R]:
    """Record in the store a verb's arguments and how it went, unless it is a dry run."""
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def recording(*args: P.args, **kwargs: P.kwargs) -> R:
        session: Session = args[0].session  # type: ignore[attr-defined]
        if isinstance(vars(session).get("backend"), PlannedBackend):
            return verb(*args, **kwargs)
        given = _kept_arguments(session, dict(signature.bind(*args, **kwargs).arguments))
        with _recording(session, verb.__name__, given) as books:
            result = verb(*args, **kwargs)
            books.facts["provenance"] = _provenance(result)
        return result

    return recording


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _close(books: RunRecord, error: BaseException | None = None) -> None:
    """Close the books; a verb that was refused before it asked for anything leaves none."""
    stopped = isinstance(error, KeyboardInterrupt | BudgetError)
    state: EndState = "cancelled" if stopped else "failed" if error else "finished"
    if isinstance(error, Exception):
        ours = isinstance(error, MopError)
        books.facts["error"] = str(error) if ours else type(error).__name__
    try:
        if isinstance(error, DataError | NotFittedError | ModelError) and not books.has_requests:
            books.delete()
        else:
            books.end(state)
    except StoreError as fault:
        if not isinstance(error, StoreError):
            warnings.warn(f"The end of run {books.number} is not noted. {fault}", stacklevel=4)


def _kept_arguments(session: Session, given: dict[str, Any]) -> dict[str, Any]:
    """Return what a verb was given as plain JSON, and what the panel and the mixture add to it."""
    given = given | given.pop("options", {})
    mixture = session.mixture
    if given.get("weights") == "panel" and session.panel_weights:
        given["weights"] = session.panel_weights
    if "name" in given and "question" not in given and mixture and mixture.is_ready:
        given.setdefault("template", mixture.template_.text)
    return {k: _kept(v) for k, v in given.items() if k not in {"self", "on_step", "client"}}


def _kept(value: Any) -> Any:  # noqa: ANN401  plain JSON
    if isinstance(value, Question):
        return {_QUESTION: value.facts()}
    if isinstance(value, Mapping):
        return {str(name): _kept(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_kept(part) for part in value]
    is_plain = value is None or isinstance(value, str | int | float)
    return value if is_plain else {_UNKEPT: type(value).__name__}


def _given(name: str, value: Any) -> Any:  # noqa: ANN401  whatever was given
    """Return an argument as it was before it was kept."""
    if isinstance(value, dict) and _QUESTION in value:
        return Question.of(value[_QUESTION])
    if isinstance(value, dict) and _UNKEPT in value:
        raise DataError(
            f"The run was given a {value[_UNKEPT]} as {name}, which is not kept.",
            hint="Run its cell again instead: what it finished is kept.",
        )
    return value


def _digest(held: object) -> str:
    """Return a digest of personas, records or a fit; "" for what is not there."""
    facts: object = None
    if isinstance(held, Population):
        facts = [held.context, held.response, held.weight, held.frame.to_dict("list")]
    elif isinstance(held, MixtureOfPersonas):
        facts = _settings(held) if held.is_fitted else None
    elif held:
        facts = [asdict(persona) for persona in cast("list[Persona]", held)]
    text = json.dumps(facts, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if facts else ""


def _settings(mixture: MixtureOfPersonas) -> dict[str, Any]:
    settings = {name: getattr(mixture, name) for name in SETTINGS}
    return settings | {"template": mixture.template_.text}


def _provenance(result: object) -> dict[str, Any]:
    """Return what is known of how a result was made, long parts left out."""
    facts: Mapping[str, Any] = getattr(result, "provenance", {})
    if isinstance(result, MixtureOfPersonas):
        weights = zip(result.names, result.persona_weights(), strict=True)
        facts = _settings(result) | {"weights": dict(weights)}
    elif isinstance(result, PopulationAnswer):
        facts = {"weights": result.weights_label, "method": result.method} | dict(facts)
    kept = {name: _kept(value) for name, value in facts.items()}
    return {name: v for name, v in kept.items() if len(json.dumps(v)) <= _LONGEST_FACT}
