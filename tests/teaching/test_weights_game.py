"""The game of hidden weights: its truth, scores and fit."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.teaching import HiddenWeights, canteen_cards, canteen_study, check
from jupyter_mop.teaching.canteen import SHARES, WORDS


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("game") / "store.sqlite"


@pytest.fixture
def game(store, monkeypatch):
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(store))
    return HiddenWeights(1)


def test_cards_have_the_requested_shares():
    signed = canteen_cards({"green": 0.7}, n=2000, signed=True)
    shares = signed["guest"].value_counts(normalize=True)
    assert shares["green"] == pytest.approx(0.7, abs=0.03)
    own = signed[signed["guest"] == "green"]["card"].str.split().explode().isin(WORDS["green"])
    assert own.mean() == pytest.approx(3 * np.exp(2.5) / (3 * np.exp(2.5) + 13), abs=0.02)


def test_cards_are_random_and_reproducible():
    first, again, other = (canteen_cards(random_state=seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)
    signed = [canteen_cards(random_state=seed, signed=True) for seed in range(3)]
    shares = [cards["guest"].eq("hungry").mean() for cards in signed]
    assert np.std(shares) > 0.001


def test_the_truth_scores_100_and_equal_weights_0(game):
    truth = game.score(game.reveal())
    assert (truth.points, truth.total_variation) == (100, 0.0)
    equal = game.score(dict.fromkeys(WORDS, 0.25))
    assert equal.points == 0
    assert equal.log_lik < truth.log_lik
    assert equal.log_lik == equal.references["equal weights"]


def test_the_likelihoods_of_a_score_are_those_of_the_mixture(game):
    game.fit()
    mixture = game.study.mixture
    theirs = mixture.score(game.study.target)
    assert game.scores[-1].log_lik == pytest.approx(theirs, abs=0.02)


def test_the_fit_finds_the_weights_and_only_then_the_board_shows_the_truth(game):
    game.score(hungry=0.4)
    assert "the truth" not in game.board().index
    fitted = game.fit()
    assert fitted.points >= 80
    board = game.board()
    assert list(board.index) == ["equal weights", "guess 1", "the fit", "a census", "the truth"]
    assert board.loc["the truth", list(WORDS)].to_dict() == pytest.approx(game.reveal(), abs=0.001)


@pytest.mark.parametrize("number", range(1, 6))
def test_each_game_hides_shares_that_are_far_from_equal_and_its_own(number, store, monkeypatch):
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(store))
    truth = HiddenWeights(number, n=100).reveal()
    assert sum(truth.values()) == pytest.approx(1)
    assert 0.5 * sum(abs(share - 0.25) for share in truth.values()) >= 0.25
    assert truth != HiddenWeights(number + 1, n=100).reveal()


def test_a_score_reads_the_panel_that_was_moved(game):
    with pytest.raises(NotFittedError, match="no guess"):
        game.score()
    panel = game.panel()
    panel.weights = [0.7, 0.1, 0.1, 0.1]
    assert game.score().weights == pytest.approx(
        {"hungry": 0.7, "thrifty": 0.1, "green": 0.1, "hurried": 0.1}
    )


def test_a_hint_points_to_the_truth(game):
    assert game.hint().startswith("Guess first")
    game.score(game.reveal() | {"hungry": 0.0})
    assert game.hint().endswith("more hungry.")
    with pytest.raises(DataError, match="no persona 'hungri'"):
        game.score(hungri=0.4)


def test_a_guess_is_judged(game):
    near = game.reveal()
    assert check("2.3", near, game=game).is_right
    assert "no closer than equal weights" in check("2.3", {"hurried": 0.9}, game=game).text
    some = {name: 0.5 * share + 0.125 for name, share in near.items()}
    assert "80 are enough. Fewer" in check("2.3", some, game=game).text
    assert "sum to 2.00" in check("2.3", dict.fromkeys(WORDS, 0.5), game=game).text


def test_a_canteen_without_likelihoods_is_matched():
    study = canteen_study(mute=True)
    assert not study.backend.can_score
    study.simulate("equal", 400, template="A {meal} card.", weights="uniform", temperature=1.0,
                   top_p=1.0, n_candidates=1)  # fmt: skip
    found = study.match("equal")
    assert 0.5 * sum(abs(found[name] - SHARES[name]) for name in SHARES) < 0.15


def test_metrics_at_their_floors_do_not_make_weights_right(game):
    sliders = [0.704, 0.041, 0.242, 0.013]
    compared = game.study.compare("uniform")
    metrics, floors = compared.statistics.metrics(sliders), compared.floors_at(sliders)
    assert metrics["FID"] <= floors["FID"]
    assert metrics["MAUVE"] >= floors["MAUVE"]
    assert game.score(dict(zip(WORDS, sliders, strict=True))).total_variation > 0.1
