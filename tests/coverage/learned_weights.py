"""Recover persona and exemplar weights that are known: run this file, it prints a table.

Responses come from the toy model, whose likelihoods are exact. Contexts and personas are sentences
with vectors of the shipped encoder, whose cosines are .3 to .9: nothing is orthogonal.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import pandas as pd

from jupyter_mop import MixtureOfPersonas, Population
from jupyter_mop.backends.openvino.encoder import MiniLMEncoder
from jupyter_mop.backends.protocols import GenerationRequest, SamplingParams
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.cross_validation import (
    PENALTIES,
    cross_validate,
    fit_stages,
    folds,
)
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.structured_terms import StructuredTerms
from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.engine.mixture.fit_options import SOURCES

WORDS = ["portion", "plate", "full", "price", "cheap", "pay", "food", "today", "again", "nice"]
PERSONAS = (
    "hungry: You write about the portion, the plate, and whether you are full.\n"
    "thrifty: You write about the price, what is cheap, and what you pay."
)
CONTEXTS = {
    "sentiments": ["positive", "negative"],
    "hours": ["morning", "evening"],
    "ages": ["18 to 29", "30 to 44", "45 to 59", "60 or older"],
    "countries": ["Germany", "France", "Japan", "Brazil"],
    "topics": ["climate change", "immigration", "health care", "taxes"],
    "education and age": [
        ("no high school diploma", "18 to 29"),
        ("no high school diploma", "60 or older"),
        ("college degree", "18 to 29"),
        ("college degree", "60 or older"),
    ],
}
N_WORDS = 5


def population(contexts, shares, n, seed):
    """Return n records: persona k writes in context c with probability shares[c, k]."""
    rng = np.random.default_rng(seed)
    model = ToyBackend(WORDS, length=N_WORDS, persona_boost=2.5, exemplar_boost=0.0)
    personas, template = read_personas(PERSONAS), PromptTemplate("Write a card.")
    context = rng.integers(len(contexts), size=n)
    persona = [rng.choice(len(personas), p=shares[c]) for c in context]
    requests = [
        GenerationRequest(template.render({}, persona=personas[k], exemplars=()), seed, i)
        for i, k in enumerate(persona)
    ]
    texts = [c.text for c in model.generate(requests, SamplingParams(1.0, 1.0, N_WORDS))]
    columns = pd.DataFrame([np.atleast_1d(contexts[c]) for c in context])
    columns.columns = [f"column {i}" for i in range(columns.shape[1])]
    frame = columns.assign(text=texts)
    return model, Population.from_frame(frame, context=list(columns), response="text")


def by_context(kind, shares, n, seed, *, encoder, by=None):
    """Return the fitted mixture and its persona weights in each context."""
    contexts = CONTEXTS[kind]
    model, people = population(contexts, shares, n, seed)
    mixture = MixtureOfPersonas(
        PERSONAS,
        model,
        encoder,
        template="Write a card.",
        n_exemplars=2,
        n_records=n,
        by=by,
        random_state=seed,
    )
    mixture.fit(people)
    vectors = mixture.encode_contexts([", ".join(np.atleast_1d(c)) for c in contexts])
    return mixture, np.exp(mixture.gate_.persona_log_weights(vectors))


def exemplar_weights(n, seed, n_exemplars=40, n_words=40):
    """Return the total variation of exemplar weights from the truth: 5 of 40 carry 80 %."""
    rng = np.random.default_rng(seed)
    preferred = np.array([rng.choice(n_words, 2, replace=False) for _ in range(n_exemplars)])
    logits = np.zeros((n_exemplars, n_words))
    np.put_along_axis(logits, preferred, 3.0, axis=1)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    truth = np.full(n_exemplars, 0.2 / (n_exemplars - 5))
    truth[:5] = 0.8 / 5
    shown = rng.choice(n_exemplars, n, p=truth)
    said = np.array([rng.choice(n_words, N_WORDS, p=np.exp(log_p[j])) for j in shown])
    log_lik = np.array([log_p[:, words].sum(1) for words in said])
    noise = rng.normal(size=(n_exemplars, 383))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    vectors = np.c_[np.full(n_exemplars, 0.3**0.5), 0.7**0.5 * noise]
    context = np.eye(1, 384)
    terms = StructuredTerms(
        (),
        (),
        np.zeros((n_exemplars, 0)),
        context @ vectors.T,
        np.full(n_exemplars, -np.log(n_exemplars)),
    )
    start = Gate.start(context, vectors, random_state=seed, terms=terms)
    record = np.repeat(np.arange(n), n_exemplars)
    scores = ComponentScores(
        np.repeat(context, n, 0),
        Components(record, np.zeros_like(record), np.tile(np.arange(n_exemplars), n)),
        log_lik.ravel(),
        np.zeros((n, n_exemplars), dtype=bool),
        np.ones(n),
    )
    validation = cross_validate(start, scores, PENALTIES, folds(range(n), random_state=seed))
    gate = fit_stages(start, scores, validation.chosen())
    found = np.exp(gate.exemplar_log_weights(context, np.zeros(1, dtype=int))[0])
    return total_variation(found, truth), total_variation(em(log_lik), truth)


def em(log_lik, n_iterations=500):
    """Return the maximum-likelihood weights that depend on nothing, by EM."""
    likelihood = np.exp(log_lik - log_lik.max(1, keepdims=True))
    weights = np.full(log_lik.shape[1], 1 / log_lik.shape[1])
    for _ in range(n_iterations):
        posterior = likelihood * weights
        weights = (posterior / posterior.sum(1, keepdims=True)).mean(0)
    return weights


def covered(kind, n, seeds, encoder):
    """Return by seed whether intervals hold the true overall weights, and their mean width.

    The truth is conditional on the contexts of the records. Fits that keep the initial weights have
    no intervals and are left out.
    """
    contexts = CONTEXTS[kind]
    shares = np.array([[0.9, 0.1], [0.4, 0.6]] * 2)[: len(contexts)]
    names = [", ".join(np.atleast_1d(context)) for context in contexts]
    found = []
    for seed in seeds:
        mixture = by_context(kind, shares, n, seed, encoder)[0]
        counts = pd.Series(mixture.population_.contexts).value_counts()
        truth = np.average(shares, axis=0, weights=counts.reindex(names, fill_value=0))
        frame = mixture.summary()
        if "low" in frame:
            inside = (frame["low"] <= truth) & (truth <= frame["high"])
            found.append((inside[0], (frame["high"] - frame["low"])[0]))
    return np.array(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--by", choices=SOURCES, help="source of evidence; default: both")
    args = parser.parse_args()
    seeds, by = range(args.seeds), args.by
    warnings.simplefilter("ignore")
    encoder = MiniLMEncoder()
    for n, asked in ((800, 0.05), (200, 0.12)):
        for kind, contexts in CONTEXTS.items():
            shares = np.array([[0.9, 0.1], [0.1, 0.9]] * 2)[: len(contexts)]
            far = [
                np.abs(by_context(kind, shares, n, seed, encoder=encoder, by=by)[1] - shares)
                .sum(1)
                .mean()
                / 2
                for seed in seeds
            ]
            print(
                f"TV of persona weights by context, n = {n}, {kind:20} {np.mean(far):.3f}"
                f" (worst {np.max(far):.3f}, asked {asked}, without contexts .400)",
                flush=True,
            )
    for n in (200, 800):
        for kind in ("sentiments", "topics"):
            held = covered(kind, n, range(20 * len(seeds)), encoder)
            print(
                f"95 % intervals of persona weights, n = {n}, {kind:20} cover "
                f"{held[:, 0].mean():.2f} of {len(held)} fits (mean width {held[:, 1].mean():.3f})",
                flush=True,
            )
    for n in (200, 1000):
        far = np.array([exemplar_weights(n, seed) for seed in seeds])
        print(
            f"TV of exemplar weights, 5 of 40 carry 80 %, n = {n:5} {far[:, 0].mean():.3f}"
            f" (EM {far[:, 1].mean():.3f}, asked .150 at n = 1,000)",
            flush=True,
        )
    for kind, contexts in CONTEXTS.items():
        even = np.full((len(contexts), 2), 0.5)
        found = [
            by_context(kind, even, 200, 100 + seed, encoder=encoder, by=by)[1] for seed in range(20)
        ]
        kept = sum(np.allclose(weights, 0.5) for weights in found)
        print(
            f"nothing to learn, n = 200, {kind:20} uniform weights kept: {kept} of 20", flush=True
        )


if __name__ == "__main__":
    main()
