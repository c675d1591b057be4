"""Small faithful copies of the four native releases, made from SynthSign, and ways to damage them.

    clips = filmed(cache, "de")
    release = phoenix14t(tmp_path, clips)
    release.ids("train"), release.clips[0].num_frames

They have the real folder and file names, headers, delimiters, quoting, numbering and split names,
and the defects that users of the real ones meet; nothing of the real data is in them.
"""

from release_csl_daily import csl_daily
from release_damage import copied
from release_films import COUNTS, Expected, Filmed, Release, filmed
from release_how2sign import how2sign
from release_openasl import openasl
from release_phoenix14t import phoenix14t

__all__ = [
    "COUNTS",
    "Expected",
    "Filmed",
    "Release",
    "copied",
    "csl_daily",
    "filmed",
    "how2sign",
    "openasl",
    "phoenix14t",
]
