"""A whole tiny corpus and every artefact made from it, once a session, with the real stages."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import releases
from releases import Release
from small import ROOT, small_params

from c2rl import config


class World(NamedTuple):
    """Where everything lies."""

    folder: Path
    params: Path

    def path(self, kind: str) -> Path:
        return (
            self.folder / "data" / kind / ("synthsign.zarr" if kind == "features" else "synthsign")
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Run prepare to retrieve on SynthSign's smallest size."""
    from c2rl.extract.run import extract
    from c2rl.prepare.run import prepare
    from c2rl.pretrain.run import pretrain
    from c2rl.retrieve.run import retrieve
    from c2rl.translate.run import translate

    folder = tmp_path_factory.mktemp("world")
    made = World(folder, small_params(folder / "params.yaml"))
    metrics = folder / "metrics"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C2RL_DATA", str(folder / "raw"))
        patch.setenv("C2RL_SCRATCH", str(folder / "scratch"))
        read = lambda schema: config.load(schema, made.params)  # noqa: E731
        frames, encoder, features = (made.path(k) for k in ("frames", "encoders", "features"))
        prepare(
            read(config.PrepareParams),
            release=ROOT / "data/corpora/synthsign.json",
            frames=frames,
            metrics=metrics / "prepare.json",
        )
        pretrain(
            read(config.PretrainParams),
            frames=frames,
            encoder=encoder,
            metrics=metrics / "pretrain.json",
        )
        extract(
            read(config.ExtractParams),
            frames=frames,
            encoder=encoder,
            features=features,
            metrics=metrics / "extract.json",
        )
        translate(
            read(config.TranslateParams),
            features=features,
            encoder=encoder,
            translator=made.path("translators"),
            metrics=metrics / "translate.json",
        )
        retrieve(
            read(config.RetrieveParams),
            features=features,
            encoder=encoder,
            retriever=made.path("retrievers"),
            metrics=metrics / "retrieve.json",
        )
    return made


@pytest.fixture(autouse=True, scope="session")
def _quiet_decoders() -> None:
    """Broken videos are part of the tests; what libraries say of them is not."""
    from c2rl.video import source

    source.quiet()


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Release]:
    """Build a small native release by its data set's name and options, each once a session.

    Tests that damage one take a copy.
    """
    cache = tmp_path_factory.mktemp("synthsign")
    built: dict[tuple[object, ...], Release] = {}
    languages = {"phoenix14t": "de", "csl_daily": "zh"}

    def build(name: str, **options: object) -> Release:
        key = (name, *sorted(options.items()))
        if key not in built:
            clips = releases.filmed(cache, languages.get(name, "en"))
            root: Path = tmp_path_factory.mktemp(name)
            built[key] = getattr(releases, name)(root, clips, **options)
        return built[key]

    return build
