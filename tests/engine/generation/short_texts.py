"""Short texts of twelve topics, and a model that does not always answer the topic asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_WHO = (
    *("my sister", "our neighbour", "a friend of mine"),
    *("the old man next door", "my boss", "everyone here"),
)
_HOW = (
    *("last week", "this morning", "again"),
    *("for the first time", "without a word", "after a long wait"),
)
_WHAT = {
    "sport": "won the local football match|missed a penalty|ran a marathon|watched the cup final|"
    "trains with the swimming team|scored twice on Sunday",
    "money": "lost a lot on shares|paid off the mortgage|opened a savings account|sold the bonds|"
    "complains about interest rates|got a loan from the bank",
    "health": "saw the doctor about a cough|takes pills for headaches|had a knee operation|"
    "waits for blood tests|came back from the hospital|sleeps badly because of the pain",
    "computers": "installed a new operating system|forgot the password|bought a faster laptop|"
    "wrote a small program|lost all files on the disk|fixed the wireless router",
    "cooking": "baked an apple pie|burned the onions|made soup from leftovers|tried a curry recipe|"
    "fried fish with lemon|added too much salt to the sauce",
    "travel": "missed the night train|booked a flight to Lisbon|lost a suitcase at the airport|"
    "stayed in a cheap hostel|took the ferry to the islands|crossed the border by bus",
    "music": "plays the cello in an orchestra|learned a song on the guitar|went to a jazz concert|"
    "sings in the choir|bought an old record|practised scales on the piano",
    "garden": "planted tomatoes|mowed the lawn|pruned the roses|pulled weeds from the beds|"
    "watered the seedlings|picked the first plums",
    "school": "failed the maths exam|handed in the homework late|teaches history to teenagers|"
    "passed the final test|wrote an essay for class|skipped the lecture",
    "weather": "got caught in a thunderstorm|shovelled the snow|enjoyed the warm sunshine|"
    "lost a roof tile to the gale|drove through thick fog|waited for the rain to stop",
    "politics": "voted for the opposition|wrote to the minister|joined a protest at parliament|"
    "ran for mayor|signed a petition against the new law|watched the election debate",
    "pets": "adopted a stray cat|walked the dog|took the rabbit to the vet|"
    "taught the parrot a word|cleaned the fish tank|brushed the long hair of the puppy",
}
TOPICS = tuple(_WHAT)
_PHRASES = {topic: text.split("|") for topic, text in _WHAT.items()}


def texts(topics: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return a text of each topic."""
    return [
        f"{rng.choice(_WHO)} {rng.choice(_PHRASES[topic])} {rng.choice(_HOW)}".capitalize()
        for topic in topics
    ]


def topic_of(text: str) -> str:
    """Return the true topic of a text."""
    lower = text.lower()
    return next(t for t, phrases in _PHRASES.items() if any(p.lower() in lower for p in phrases))


def asked(shares: Mapping[str, float], n: int, rng: np.random.Generator) -> list[str]:
    """Return the topic of each of `n` questions, drawn by shares."""
    return rng.choice(list(shares), n, p=list(shares.values())).tolist()


def candidates(
    topics: Sequence[str], r: int, fidelity: float, rng: np.random.Generator
) -> list[list[str]]:
    """Return `r` texts for each question, a share `fidelity` of them of the topic asked for."""
    known = sorted(set(topics))
    rows = []
    for topic in topics:
        others = [other for other in known if other != topic]
        mine = [topic if rng.random() < fidelity else str(rng.choice(others)) for _ in range(r)]
        rows.append(texts(mine, rng))
    return rows
