"""Tomita's seven regular languages of bits."""

from rnn_research.errors import check_option
from rnn_research.tasks import automata, base

LANGUAGES = {
    1: automata.Automaton(((1, 0), (1, 1)), (0,)),
    2: automata.Automaton(((2, 1), (0, 2), (2, 2)), (0,)),
    3: automata.Automaton(((0, 1), (2, 0), (3, 4), (2, 3), (4, 4)), (0, 1, 3)),
    4: automata.Automaton(((1, 0), (2, 0), (3, 0), (3, 3)), (0, 1, 2)),
    5: automata.Automaton(((1, 2), (0, 3), (3, 0), (2, 1)), (0,)),
    6: automata.Automaton(((1, 2), (2, 0), (0, 1)), (0,)),
    7: automata.Automaton(((0, 1), (2, 1), (2, 3), (4, 3), (4, 4)), (0, 1, 2, 3)),
}


@base.task
def tomita(
    length: int, *, number=3, shortest: int | None = None, head="last"
) -> base.Task:
    """Tell whether a string of bits is in one of Tomita's seven languages.

    The languages (Tomita 1982; the original was not consulted, they are as Weiss et al.
    2018, arXiv 1711.09576, and later work give them):

        1  ones alone                       5  an even number of zeros and of ones
        2  (10)*: 10, 1010, ...             6  zeros less ones divisible by 3
        3  no odd run of ones with          7  0*1*0*1*
           an odd run of zeros later
        4  without 000

    A run is as long as it can be. Half of the strings are in the language and half are
    not, each of its kind and length as likely as another; where one kind has no string
    of a length (the second language of an odd one), all are of the other. In the third:

        bits     1 1 0 1 0 0 1        1 0 1 1 0 0
        class    1                    0
        step     1 1 1 1 0 1 1        1 0 0 0 0 0

    Args:
      length: T, the length of the longest strings.
      number: of the language.
      shortest: lengths are uniform in [shortest, length], shorter strings masked at
        the end; None: all have `length`.
      head: 'last' asks of the whole string, 'step' of each of its beginnings.

    Loss: cross-entropy in nats; metric: accuracy. The baseline knows the length alone:
    ln 2 and 1/2 where both kinds are there; with head='step' exact as well.
    """
    check_option("number", number, tuple(LANGUAGES))
    own = LANGUAGES[number]
    return automata.membership(own, length, shortest, head, f"number={number}")
