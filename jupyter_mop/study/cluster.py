"""Run a study's model or encoder on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.errors import DataError
from jupyter_mop.study.session import Session

if TYPE_CHECKING:
    from distributed import Client

    from jupyter_mop.backends.cluster.backend import ClusterBackend, ClusterEncoder


@contextmanager
def model_on_cluster(session: Session, client: Client | None) -> Iterator[None]:
    """Send the model's requests to the client's workers inside a `with` block.

    The store stays in this process. Without a client nothing changes.
    """
    if client is None:
        yield
        return
    from jupyter_mop.backends.cluster.backend import ClusterBackend

    if session.backend.meter.is_limited:
        raise DataError(
            "A budget cannot be used with a cluster: its workers do not share their spending.",
            hint="Leave out --budget or --client.",
        )
    with _replaced(session.backend, "backend", ClusterBackend(session.backend.backend, client)):
        yield


@contextmanager
def encoder_on_cluster(session: Session, client: Client | None) -> Iterator[None]:
    """Send the encoder's requests to the client's workers inside a `with` block.

    The store stays in this process. Without a client nothing changes.
    """
    if client is None:
        yield
        return
    from jupyter_mop.backends.cluster.backend import ClusterEncoder

    with _replaced(session.encoder, "encoder", ClusterEncoder(session.encoder.encoder, client)):
        yield


@contextmanager
def _replaced(
    cached: CachedBackend | CachedEncoder, attribute: str, cluster: ClusterBackend | ClusterEncoder
) -> Iterator[None]:
    """Put the cluster below the cache inside a `with` block, and print where to watch it."""
    from tqdm.std import tqdm

    local = getattr(cached, attribute)
    tqdm.write(f"Cluster: {cluster.description}")
    setattr(cached, attribute, cluster)
    try:
        yield
    finally:
        setattr(cached, attribute, local)
