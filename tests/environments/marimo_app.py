# A marimo notebook: a study without magics, the panel as an anywidget, its weights as a value.
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import pandas as pd

    from jupyter_mop import Study, ToyBackend, ToyEncoder
    from jupyter_mop.notebook.panels import weights_panel

    words = ["sun", "rain", "wind", "snow"]
    said = ["sun rain", "rain rain wind", "wind snow", "sun sun sun"] * 60
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 120, "said": said})
    study = Study(ToyBackend(words), ToyEncoder(words))
    study.use_personas("critic: You say rain.\nfan: You say sun.")
    study.use_population(frame, context="topic", response="said")
    study.simulate("first", 200, weights="uniform")
    return mo, study, weights_panel


@app.cell
def _(mo, study, weights_panel):
    panel = mo.ui.anywidget(weights_panel(study))
    panel
    return (panel,)


@app.cell
def _(mo, panel, study):
    mo.md(f"kept {study.panel_weights['critic']:.2f} of {len(panel.value['weights'])} personas")


@app.cell
def _(study):
    study.panel("first")


@app.cell
def _(study):
    study.align()


@app.cell
def _(study):
    study.align().plot()


if __name__ == "__main__":
    app.run()
