"""Run the paper's experiments: python -m jupyter_mop.experiments generation --data imdb."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jupyter_mop.backends.protocols import OnStep, Tick
from jupyter_mop.errors import DataError, MopError, did_you_mean
from jupyter_mop.experiments import (
    ablations,
    classifier,
    generation,
    shift,
    subgroups,
    transfer,
    words,
)
from jupyter_mop.experiments.populations import (
    SOURCES,
    WITH_GROUPS,
    WITHOUT_GROUPS,
    Source,
    n_responses,
)
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.settings import (
    N_BOOT,
    QUICK,
    QUICK_N,
    QUICK_N_BOOT,
    N,
    Recipe,
    Settings,
    command_line,
)
from jupyter_mop.experiments.workbench import Workbench

EXPERIMENTS: dict[str, Callable[[Workbench], Result]] = {
    "generation": generation.run,
    "words": words.run,
    "classifier": classifier.run,
    "ablations": ablations.run,
    "personas": ablations.run_personas,
    "transfer": transfer.run,
    "subgroups": subgroups.run,
    "shift": shift.run,
}
OF_GROUPS = ("generation", "subgroups")  # for populations with subgroups
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 1 for bad input, 130 if it was stopped."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        args = parser().parse_args(given)
        for source in sources(args):
            names = chosen(args.name, source, with_transfer=args.backend is not None)
            run(names, source, read_settings(args, given, source))
    except MopError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        message = "Stopped; finished responses are cached. Run the same command to continue."
        print(f"\n{message}", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    return 0


def run(names: Sequence[str], source: Source, settings: Settings) -> list[Result]:
    """Run the experiments `names` on one population; print and save each result."""
    results = []
    with progress_bars() as on_step:
        bench = Workbench(source, settings, on_step)
        try:
            for name in names:
                results.append(EXPERIMENTS[name](bench))
                files = results[-1].save(settings.out)
                print(results[-1].text())  # noqa: T201
                print("Saved:", *files, "\n", sep="\n", flush=True)  # noqa: T201
        finally:
            bench.close()
    return results


def chosen(name: str, source: Source, *, with_transfer: bool) -> list[str]:
    """Return the experiments of a name, which may be "all", on one population.

    Raises
    ------
    DataError
        If there is no such experiment, with the most similar name; or not on this population.
    """
    possible = [each for each in EXPERIMENTS if is_possible(each, source)]
    if name == "all":
        return [each for each in possible if each != "transfer" or with_transfer]
    if name in possible:
        return [name]
    if name in EXPERIMENTS:
        fitting = ", ".join(each for each in SOURCES if is_possible(name, SOURCES[each]))
        raise DataError(
            f"The experiment {name} does not use the population {source.name}.",
            hint=f"Use --data with one of: {fitting}.",
        )
    names = [*EXPERIMENTS, "all"]
    hint = f"{did_you_mean(name, names)} Use one of: {', '.join(names)}.".lstrip()
    raise DataError(f"There is no experiment {name!r}.", hint=hint)


def is_possible(name: str, source: Source) -> bool:
    """Return whether an experiment uses a population."""
    return name in OF_GROUPS if source.groups else name != "subgroups"


def sources(args: argparse.Namespace) -> list[Source]:
    """Return the populations of a command line."""
    names = WITH_GROUPS if args.name == "subgroups" else WITHOUT_GROUPS
    if args.data and args.data != "both":
        names = (args.data,)
    elif args.quick and not args.data:
        names = names[:1]
    return [SOURCES[name] for name in names]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m jupyter_mop.experiments", description=__doc__, allow_abbrev=False
    )
    add = command.add_argument
    add("name", help=f"{', '.join(EXPERIMENTS)}; or all (transfer only with --backend)")
    add(
        "--data",
        choices=(*SOURCES, "both"),
        help=f"population; default: those with subgroups ({', '.join(WITH_GROUPS)}) for subgroups, "
        f"else both of {', '.join(WITHOUT_GROUPS)}; with --quick the first",
    )
    add(
        "--n",
        type=int,
        help=f"responses per method; default: {N} or as many as the records allow, with --quick "
        f"{QUICK_N}",
    )
    add("--quick", action="store_true", help="small sizes, to test that everything works")
    add("--seed", type=int, default=0, help="random seed")
    add("--out", type=Path, default=Path("build/experiments"), help="folder for the results")
    add("--store", type=Path, help="file of cached responses; default: the library's own")
    add("--model", default="local", help="local, the path of a model, or toy")
    add("--backend", help="for transfer: a second model, to use with the first model's weights")
    add("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE",
        help=f"change the recipe: {Recipe()}")  # fmt: skip
    return command


def read_settings(args: argparse.Namespace, given: list[str], source: Source) -> Settings:
    """Return the settings of a command line for one population."""
    recipe = (QUICK if args.quick else Recipe()).changed(args.changes)
    return Settings(
        n=n_responses(source, args.n, QUICK_N if args.quick else N),
        seed=args.seed,
        recipe=recipe,
        out=args.out,
        store=args.store,
        model=args.model,
        backend=args.backend,
        n_boot=QUICK_N_BOOT if args.quick else N_BOOT,
        command=command_line(given),
    )


@contextmanager
def progress_bars() -> Iterator[OnStep]:
    """Yield a callback that draws a progress bar for each step on the error stream."""
    bars: list[Any] = []

    def on_step(what: str, total: int) -> Tick:
        for bar in bars:
            bar.close()
        bars[:] = [tqdm(total=total, desc=what, mininterval=1 if sys.stderr.isatty() else 30)]

        def tick(_index: int, _value: object) -> None:
            bars[-1].update()

        return tick

    try:
        yield on_step
    finally:
        for bar in bars:
            bar.close()


if __name__ == "__main__":
    sys.exit(main())
