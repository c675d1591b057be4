"""SynthSign, the embedded corpus: a sign language in miniature, drawn by a program.

A drawn signer signs sentences of a small grammar: signs made of handshape, location, movement and
orientation with one or two hands, in an order of their own; negation and questions on face and
head; articles unsigned; several signers, of whom dev and test show one each that training never
shows. The videos are real H.264 and a pure function of a few knobs.
"""

from c2rl.corpora.clip import Facts
from c2rl.corpora.synthsign.release import GENERATOR, clips, make, read

__all__ = ["FACTS", "GENERATOR", "clips", "make", "read"]

FACTS = Facts(
    profile=None,
    counts={},
    paper={},
    obtain="Stage `prepare` makes it; nothing is downloaded.",
    licence="Apache-2.0, as the program that draws it",
    citation="c2rl, SynthSign",
)
