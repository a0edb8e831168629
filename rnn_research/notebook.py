"""Notebooks and prompts: whether somebody sits there, and what is shown to them."""

import html
import sys


def is_interactive() -> bool:
    """Whether lines are typed at a prompt, or cells of a notebook are run."""
    return hasattr(sys, "ps1")


def kernel():
    """IPython's shell where it runs in the kernel of a notebook, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


class Place:
    """A place below a cell where each text replaces the one before."""

    def __init__(self):
        self._handle = None

    def show(self, text: str):
        from IPython import display

        shown = display.HTML(f"<pre>{html.escape(text)}</pre>" if text else "")
        if self._handle is None:
            self._handle = display.display(shown, display_id=True)
        else:
            self._handle.update(shown)


def show_figures():
    """Have a notebook show figures that a cell ends with, once for each kernel."""
    shell = kernel()
    if shell is None:
        return
    from IPython.core import pylabtools
    from matplotlib import figure

    formats = shell.display_formatter.formatters["image/png"]
    if figure.Figure not in formats.type_printers:
        pylabtools.select_figure_formats(shell, {"png"})
