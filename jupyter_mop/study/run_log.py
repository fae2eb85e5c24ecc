"""A study's run log: long verbs are recorded in the store and can be resumed."""

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
    BatchPending,
    BudgetError,
    DataError,
    ModelError,
    MopError,
    NotFittedError,
    StoreError,
)
from jupyter_mop.rendering import listed
from jupyter_mop.study.batches import is_batch
from jupyter_mop.study.session import Session

P = ParamSpec("P")
R = TypeVar("R")

INPUTS = {
    "fit": ("personas", "population"),
    "simulate": ("personas", "population", "target", "mixture"),
    "ask": ("personas", "population", "target", "mixture"),
    "ask_all": ("personas", "population", "target", "mixture"),
    "compare_methods": ("personas", "population", "target", "mixture"),
    "synthesize": ("population",),
    "survey": ("personas",),
}
_INPUT_CELLS = {
    "personas": ("personas", "%%mop_personas"),
    "population": ("records", "%mop_population"),
    "target": ("records", "%mop_population"),
    "mixture": ("learned weights", "%mop_fit"),
    "model": ("a model", "%mop_backend"),
}
_QUESTION, _NOT_STORED = "__question__", "__unkept__"
_MAX_FACT_LENGTH = 4000


def resumed_arguments(session: Session, run: StoredRun) -> dict[str, Any]:
    """Return the arguments to repeat a stored run in this session.

    Raises
    ------
    DataError
        If the run is still going on, or if this session has other personas, records or weights,
        or another model, than the run used.
    """
    if not run.is_over:
        raise DataError(
            f"Run {run.run} is still going on.", hint="Wait for it to end, or stop its kernel."
        )
    _check_inputs(session, run)
    return {name: _from_json(name, value) for name, value in run.arguments.items()}


def _input_digests(session: Session, verb: str) -> dict[str, str]:
    """Return a digest of each of the verb's inputs that this session has."""
    digests = {name: _digest(getattr(session, name)) for name in INPUTS[verb]}
    return {name: digest for name, digest in digests.items() if digest}


def _check_inputs(session: Session, run: StoredRun) -> None:
    """Raise a DataError unless this session has the same inputs as the run had."""
    before, now = run.facts.get("basis", {}), _input_digests(session, run.verb)
    if "mixture" in now and "mixture" not in before:
        raise DataError(
            f"Run {run.run} was made before the weights were learned.",
            hint="Run %mop_population again, which discards the learned weights, "
            f"then %mop_resume {run.run}.",
        )
    different = [name for name in before if before[name] != now.get(name)]
    if not different and run.model and run.model != session.backend.fingerprint:
        different = ["model"]
    if different:
        inputs, cells = zip(*(_INPUT_CELLS[name] for name in different), strict=True)
        raise DataError(
            f"Run {run.run} used {listed(inputs)} that this study does not have.",
            hint=f"Run its cells with {listed(cells)} again, then %mop_resume {run.run}.",
        )


@contextmanager
def _recording(session: Session, verb: str, arguments: Mapping[str, Any]) -> Iterator[RunRecord]:
    """Record the run that happens inside a `with` block."""
    facts = {"basis": _input_digests(session, verb), "batch": is_batch(session)}
    record = RunRecord(session.store, verb, arguments, facts)
    error, before = None, session.backend.usage
    try:
        with use_record(record):
            yield record
    except BaseException as raised:
        error = raised
        raise
    finally:
        record.facts["usd"] = session.backend.spent(before)
        _close(record, error)


def recorded(verb: Callable[P, R]) -> Callable[P, R]:
    """Record each call of a verb in the store: arguments, counts and outcome; dry runs are not."""
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def recording(*args: P.args, **kwargs: P.kwargs) -> R:
        session: Session = args[0].session  # type: ignore[attr-defined]
        if isinstance(vars(session).get("backend"), PlannedBackend):
            return verb(*args, **kwargs)
        _check_inputs_exist(session, verb.__name__)
        given = _stored_arguments(session, dict(signature.bind(*args, **kwargs).arguments))
        with _recording(session, verb.__name__, given) as record:
            result = verb(*args, **kwargs)
            record.facts["provenance"] = _provenance(result)
        return result

    return recording


def _check_inputs_exist(session: Session, verb: str) -> None:
    """Raise the error of a missing input before the model is loaded, which takes seconds."""
    if verb == "fit" or (verb == "simulate" and session.mixture is None):
        session.require_population()
        session.require_personas()


def _close(record: RunRecord, error: BaseException | None) -> None:
    """End the record; one of a verb that failed before its first request is deleted."""
    stopped = isinstance(error, KeyboardInterrupt | BudgetError)
    state: EndState = "cancelled" if stopped else "failed" if error else "finished"
    if isinstance(error, BatchPending):
        state = "waiting"
    elif isinstance(error, Exception):
        ours = isinstance(error, MopError)
        record.facts["error"] = str(error) if ours else type(error).__name__
    try:
        if isinstance(error, DataError | NotFittedError | ModelError) and not record.has_requests:
            record.delete()
        else:
            record.end(state)
    except StoreError as fault:
        if not isinstance(error, StoreError):
            message = f"The end of run {record.number} could not be recorded. {fault}"
            warnings.warn(message, stacklevel=4)


def _stored_arguments(session: Session, given: dict[str, Any]) -> dict[str, Any]:
    """Return a verb's arguments as JSON, with the panel's weights and the mixture's template."""
    given = given | given.pop("options", {})
    mixture = session.mixture
    if given.get("weights") == "panel" and session.panel_weights:
        given["weights"] = session.panel_weights
    if "name" in given and "question" not in given and mixture and mixture.is_ready:
        given.setdefault("template", mixture.template_.text)
    return {k: _to_json(v) for k, v in given.items() if k not in {"self", "on_step", "client"}}


def _to_json(value: Any) -> Any:  # noqa: ANN401  plain JSON
    if isinstance(value, Question):
        return {_QUESTION: value.facts()}
    if isinstance(value, Mapping):
        return {str(name): _to_json(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    is_json = value is None or isinstance(value, str | int | float)
    return value if is_json else {_NOT_STORED: type(value).__name__}


def _from_json(name: str, value: Any) -> Any:  # noqa: ANN401  any argument
    """Return a stored argument as the verb takes it."""
    if isinstance(value, dict) and _QUESTION in value:
        return Question.of(value[_QUESTION])
    if name == "questions":
        return {each: _from_json(each, question) for each, question in value.items()}
    if isinstance(value, dict) and _NOT_STORED in value:
        raise DataError(
            f"The run's argument `{name}` was a {value[_NOT_STORED]}, which the store cannot hold.",
            hint="Run its cell again: finished answers are cached.",
        )
    return value


def _digest(value: object) -> str:
    """Return a digest of personas, records or a fit, or "" if there are none."""
    facts: object = None
    if isinstance(value, Population):
        facts = [value.context, value.response, value.weight, value.frame.to_dict("list")]
    elif isinstance(value, MixtureOfPersonas):
        facts = _settings(value) if value.is_fitted else None
    elif value:
        facts = [asdict(persona) for persona in cast("list[Persona]", value)]
    text = json.dumps(facts, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if facts else ""


def _settings(mixture: MixtureOfPersonas) -> dict[str, Any]:
    settings = {name: getattr(mixture, name) for name in SETTINGS}
    return settings | {"template": mixture.template_.text}


def _provenance(result: object) -> dict[str, Any]:
    """Return the facts that a result carries about itself, without long ones."""
    facts: Mapping[str, Any] = getattr(result, "provenance", {})
    if isinstance(result, MixtureOfPersonas):
        weights = zip(result.names, result.persona_weights(), strict=True)
        facts = _settings(result) | {"weights": dict(weights)}
    elif isinstance(result, PopulationAnswer):
        facts = {"weights": result.weights_label, "method": result.method} | dict(facts)
    stored = {name: _to_json(value) for name, value in facts.items()}
    return {name: v for name, v in stored.items() if len(json.dumps(v)) <= _MAX_FACT_LENGTH}
