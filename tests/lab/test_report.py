"""The page about a batch, and its figures: whole, self-contained, safe with any name."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from asnsim.errors import DataError
from asnsim.io.peaks import peaks_of
from asnsim.io.report import write_report
from asnsim.lcms import Protocol, measure, parse_faults
from asnsim.plots_laboratory import chosen_injections, plot_calibration, plot_peaks, plot_sequence
from asnsim.quantify import quantify

EVIL = "<script>alert(1)</script>&\"x"


@pytest.fixture(scope="module")
def both(culture):
    protocol = Protocol.load("hilic_mrm").with_analytes("asn", "gln")
    batch = measure(culture(), protocol, [0.0, 6.0], 3, seed=4, faults=parse_faults(["no_is run_t2_cells_1"]))
    injections = tuple(
        replace(item, sample=replace(item.sample, name=EVIL)) if item.sample.name == "run_t1_cells_1" else item
        for item in batch.injections
    )
    batch = replace(batch, injections=injections, failures=(("lost_1", "4.mzML: is cut off"),))
    return batch, quantify(batch)


class Page(HTMLParser):
    """Checks that tags balance, and collects what a page asks for and says."""

    EMPTY = {"meta", "img", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.asked, self.rows, self.text, self.tags = [], [], 0, [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.asked += [value for name, value in attrs if name in ("src", "href", "action", "srcset")]
        self.rows += tag == "tr"
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_the_page_says_everything_and_asks_for_nothing(both, tmp_path):
    batch, result = both
    page = read(write_report(batch, result, tmp_path / "r.html", title=EVIL))
    text = " ".join(" ".join(page.text).split())
    assert "script" not in page.tags and text.count(EVIL) >= 3
    assert page.asked and all(value.startswith("data:image/png;base64,") for value in page.asked)
    assert not re.search(r"https?://", (tmp_path / "r.html").read_text())
    unknown = result.table[result.table["sample_type"] == "Unknown"]
    assert all(name in text for name in unknown["sample"]) and page.rows > len(unknown)
    for sentence in result.report:
        assert sentence.partition(": ")[2] in text or sentence in text
    assert "ACCEPTED" in text and "lost_1" in text and "no IS peak (asn, gln)" in text
    assert (tmp_path / "r.html").stat().st_size < 2e6


def test_a_rejected_run_says_so_first(both, tmp_path):
    batch, _ = both
    wrong = tuple(replace(item, actual_concentration=item.actual_concentration * (2 if "QC" in item.sample_name else 1)) for item in batch.nominal)
    page = read(write_report(batch, quantify(replace(batch, nominal=wrong)), tmp_path / "r.htm"))
    text = " ".join(page.text)
    assert "NOT ACCEPTED" in text and text.index("Failed") < text.index("Passed")


def test_areas_alone_have_a_page_without_chromatograms(both, tmp_path):
    batch, result = both
    peaks = peaks_of(batch, result)
    vials = tuple(replace(sample, matrix="") for sample in peaks.samples)
    again = quantify(replace(peaks, samples=vials), "area_table")
    text = " ".join(read(write_report(None, again, tmp_path / "r.html", "area_table")).text)
    assert "Chromatograms" not in text and "Calibration" in text


def test_published_lines_have_no_calibrators_to_draw(both, tmp_path, lcms_data):
    from asnsim.io.mzml import read_batch

    batch = read_batch(lcms_data / "smartpeak")
    result = quantify(batch, "smartpeak_yeast")
    text = " ".join(read(write_report(batch, result, tmp_path / "r.html", "smartpeak_yeast")).text)
    assert "published line" in text and "Chromatograms" in text and "Over the sequence" not in text
    with pytest.raises(DataError, match="no calibrators to draw"):
        plot_calibration(result)


def test_figures_are_drawn_and_written(both, tmp_path):
    batch, result = both
    for draw, name in ((plot_calibration, "c.png"), (plot_sequence, "s.svg")):
        assert isinstance(draw(result, tmp_path / name), Figure) and (tmp_path / name).stat().st_size > 10_000
    figure = plot_peaks(batch, result, "hilic_mrm", tmp_path / "p.png", samples=["CAL1_1", "run_t2_cells_1"], analytes=["gln"])
    drawn = [axes for axes in figure.axes if axes.patches or axes.get_title()]
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert len(drawn) >= 2 and "no IS peak\nIS area" in texts
    assert "run_t2_cells_1" in chosen_injections(batch, result)


def test_what_cannot_be_drawn_is_said(both, tmp_path):
    batch, result = both
    with pytest.raises(DataError, match="is written as .html"):
        write_report(batch, result, tmp_path / "r.pdf")
    with pytest.raises(DataError, match="'asp' is not an analyte of this result"):
        plot_peaks(batch, result, "hilic_mrm", analytes=["asp"])
    with pytest.raises(DataError, match="has no sample 'CAL9_1'"):
        plot_peaks(batch, result, "hilic_mrm", samples=["CAL9_1"])
