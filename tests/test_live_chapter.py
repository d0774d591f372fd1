"""Chapter 1 with `source="musicbrainz"`: its own cells, asking stand-ins of the services."""

from pathlib import Path

import nbformat

from albumlib.dataset.catalog import Catalog
from albumlib.sources import choose
from tests.servers.world import Services, World, sources_for, web_for

CHAPTER = Path(__file__).parents[1] / "notebooks" / "01_scraping.ipynb"


def test_the_chapter_runs_on_live_services(tmp_path, monkeypatch, capsys):
    services = Services(World(albums=30))
    web = web_for(services.addresses)
    source, labels = sources_for(web, services.addresses, label="The Label")
    monkeypatch.setattr(choose, "open_source", lambda *args, **kwargs: source)
    monkeypatch.setattr(choose, "open_labels", lambda name: labels)
    monkeypatch.chdir(CHAPTER.parent)
    names: dict = {"__name__": "__main__"}
    for cell in nbformat.read(CHAPTER, as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, "chapter 1", "exec"), names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= {"source": "musicbrainz", "data_dir": str(tmp_path)}
    services.close()
    said = capsys.readouterr().out
    assert "Interrupted!" in said and "every track's cover is listed: True" in said
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        counts = catalog.counts()
    assert (counts["tracks"], counts["covers done"], counts["covers failed"]) == (240, 27, 3)
    assert counts["labels done"] == 192 and counts["labels todo"] == 0
