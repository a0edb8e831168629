"""One cell or layer against all its laws."""

import time

import jax

from rnn_research import errors
from rnn_research.checks import cells, layers
from rnn_research.checks.report import INPUTS, Fault, Report, measure
from rnn_research.checks.subject import Subject
from rnn_research.fit import check_fit
from rnn_research.layers import Layer

FIT = "functions fit together"


def check_cell(cell, *, laws: str = "all") -> Report:
    """Check a cell, or a layer, against every law it claims to obey.

    Functions that do not fit together end the check: nothing else can be measured.

    Args:
      laws: "all"; "brief" leaves out the costly ones, which takes a second or two
        instead of ten; "costly" are the others.

    Raises:
      UsageError: there are no such laws.
    """
    errors.check_option("laws", laws, ("all", "brief", "costly"))
    begun = time.perf_counter()
    is_layer = isinstance(cell, Layer)
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        checks = [] if is_layer else [measure(FIT, cell, _fit, 0.0, "")]
        if all(check.passed for check in checks):
            known = layers.LAWS if is_layer else cells.LAWS
            subject = layers.Subject(cell) if is_layer else Subject(cell)
            checks += [
                measure(law.name, subject, law.error, law.limit, law.look_at)
                for law in known
                if law.concerns(cell) and laws in ("all", _kind(law))
            ]
    return Report(repr(cell), tuple(checks), time.perf_counter() - begun)


def _kind(law) -> str:
    return "costly" if law.costly else "brief"


def _fit(cell) -> float:
    try:
        check_fit(cell, INPUTS)
    except errors.UsageError as error:
        raise Fault(str(error)) from error
    return 0.0
