"""Configuration of Sphinx; `make docs` copies it beside the generated pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jupyter_mop

sys.path.insert(0, str(Path(__file__).parent))

project = "jupyter-mop"
author = "the authors of jupyter-mop"
release = version = jupyter_mop.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "generate.mathml",
    "generate.names",
]
exclude_patterns = ["generate"]
suppress_warnings = ["misc.highlighting_failure", "mystnb.unknown_mime_type", "ref.python"]

# Docstrings: numpydoc. `name` is code, and a link if something of that name is documented.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
nitpicky = True  # for docstrings see generate/names.py

# Pages and notebooks: stored outputs are shown; nothing is run or fetched.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

html_theme = "furo"
html_title = "jupyter-mop"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
html_show_search_summary = False  # it would fetch pages, which browsers refuse from disk
html_theme_options = {"navigation_with_keys": False}
templates_path: list[str] = []
pygments_style = "friendly"
pygments_dark_style = "monokai"
