import pytest

from c2rl.corpora import find as corpora


def test_a_corpus_is_found_by_its_modules_name():
    assert {"synthsign", "table"} <= set(corpora.names())
    assert corpora.corpus("table").name == "table"
    with pytest.raises(ValueError, match=r"corpus 'phoenix' is unknown. Known: .*table"):
        corpora.corpus("phoenix")
