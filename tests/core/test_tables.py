"""Tables on disk: errors that say file, row and column; every number that ships has an origin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asnsim.errors import DataError, ModelError, UnitError
from asnsim.library import (
    STATUSES,
    list_overlays,
    list_recipes,
    load_model,
    load_species,
    read_overlay,
    read_parameters,
    read_recipe,
)
from asnsim.tables import find_model_file, models_folder, read_csv, read_toml, read_tsv, write_table

HEADER = "name\tvalue\tunit\tlower\tupper\tspread\tsource\tstatus\tnote\n"
PLACE = "overlay.tsv, row 2"


@pytest.fixture
def overlay(tmp_path):
    def write(*rows, header=HEADER):
        path = tmp_path / "overlay.tsv"
        path.write_text(header + "".join(row + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def row(name="asn_e", value="1", unit="umol/L", lower="", upper="", spread="", source="book", status="measured", note=""):
    return "\t".join([name, value, unit, lower, upper, spread, source, status, note])


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (row(name="asn_w"), ModelError, [PLACE, "'asn_w'", "did you mean 'asn_"]),
        (row(unit="h"), UnitError, [PLACE, "'asn_e'", "umol / L is needed"]),
        (row(unit="umol/Q"), UnitError, [PLACE, "column 'unit'", "'umol/Q'"]),
        (row(source=""), DataError, [PLACE, "column 'source'", "'measured'"]),
        (row(value="NaN"), DataError, [PLACE, "column 'value'", "NaN"]),
        (row(value="3", lower="4", upper="5"), DataError, [PLACE, "outside its bounds 4 to 5"]),
        (row(value="6", lower="4", upper="5"), DataError, [PLACE, "outside its bounds 4 to 5"]),
        (row(value="many"), DataError, [PLACE, "column 'value'", "'many' is not a number"]),
        (row(value=""), DataError, [PLACE, "column 'value'"]),
        (row(lower="x"), DataError, [PLACE, "column 'lower'", "'x'"]),
        (row(status="guessed"), DataError, [PLACE, "column 'status'", "'guessed'", "measured, derived, fitted, assumed"]),
        (row(name="2asn"), DataError, [PLACE, "'2asn' cannot be a name"]),
        (row() + "\textra", DataError, [PLACE, "10 cells but 9 columns"]),
    ],
)
def test_a_bad_row_is_named(overlay, text, error, says):
    with pytest.raises(error) as caught:
        load_model("cell", overlay(text))
    for part in says:
        assert part in str(caught.value)


@pytest.mark.parametrize("value", ["inf", "-inf", "Infinity"])
def test_an_infinite_value_is_refused(overlay, value):
    """Was once wrong: Row.number promises 'a finite number' but lets inf through as a value."""
    with pytest.raises(DataError, match="overlay.tsv, row 2"):
        load_model("cell", overlay(row(value=value)))


def test_a_name_of_another_recipe_must_still_have_the_right_unit(overlay):
    """Was once wrong: names not of this recipe but of some table (peg_1 in 'cell') are accepted with any unit."""
    with pytest.raises(UnitError, match="overlay.tsv, row 2"):
        load_model("cell", overlay(row(name="peg_1", unit="h")))


def test_a_file_changed_on_disk_is_read_again(overlay):
    """Was once wrong: load_model remembers user files by path, so an edited overlay has no effect in the same session."""
    assert load_model("cell", overlay(row(value="1"))).value("asn_e") == 1.0
    assert load_model("cell", overlay(row(value="2"))).value("asn_e") == 2.0


def test_duplicates_name_both_rows(overlay):
    with pytest.raises(DataError, match=r"overlay.tsv, row 4: 'asn_e' already stands in row 2"):
        load_model("cell", overlay(row(), row(name="gln_e"), row()))


def test_rows_are_counted_as_an_editor_counts(overlay):
    with pytest.raises(DataError, match="row 5"):
        load_model("cell", overlay("# comment", "", row(name="gln_e"), row(value="x")))


def test_columns_are_checked(overlay):
    with pytest.raises(DataError, match="row 1: unknown column 'values'; did you mean 'value'"):
        load_model("cell", overlay(header=HEADER.replace("note", "values")))
    with pytest.raises(DataError, match="row 1: column 'source' is missing"):
        load_model("cell", overlay(header="name\tvalue\tunit\tstatus\n"))
    with pytest.raises(DataError, match="the table is empty"):
        load_model("cell", overlay(header=""))


def test_overlay_converts_and_keeps_bounds(overlay):
    plain = load_model("cell").parameters["Vmax_got"]
    given = load_model("cell", overlay(row(name="Vmax_got", value="8", unit="mM/h"))).parameters["Vmax_got"]
    assert given.value == 8000.0 and given.dimension == plain.dimension and given.source == "book"
    assert (given.lower, given.upper) == (plain.lower, plain.upper)
    narrow = load_model("cell", overlay(row(name="Vmax_got", value="8", unit="mM/h", lower="7", upper="9"), header=HEADER + "# x\n"))
    assert narrow.value("Vmax_got") == 8000.0


def test_overlay_value_outside_old_bounds_widens_them(overlay):
    plain = load_model("cell").parameters["kcat_asns"]
    beyond = load_model("cell", overlay(row(name="kcat_asns", value=str(2 * plain.upper), unit="1/h"))).parameters["kcat_asns"]
    assert beyond.lower <= beyond.value <= beyond.upper


def test_later_overlays_win():
    assert load_model("cell", "rpmi", "dmem").value("asn_e") == 0.0
    assert load_model("cell", "dmem", "rpmi").value("asn_e") == 380.0


def test_missing_files_suggest():
    with pytest.raises(DataError, match="'cel' is not among the recipes.*did you mean 'cell'"):
        load_model("cel")
    with pytest.raises(DataError, match="'rpm' is not among the overlays.*did you mean 'rpmi'"):
        load_model("cell", "rpm")
    with pytest.raises(DataError, match=r"nowhere.tsv: no such file"):
        load_model("cell", "nowhere.tsv")


def test_unknown_module_to_leave_out():
    with pytest.raises(ModelError, match="'gcn2_atf' is not a module of recipe 'cell'; did you mean 'gcn2_atf4'"):
        load_model("cell", without="gcn2_atf")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ('modules = ["asnss"]\ntables = ["base"]', ModelError, "'asnss' is not a module; did you mean 'asns'"),
        ('modules = ["asns"]\ntables = ["bas"]', DataError, "did you mean 'base'"),
        ('module = ["asns"]\ntables = ["base"]', DataError, "unknown key 'module'; did you mean 'modules'"),
        ('modules = "asns"\ntables = ["base"]', DataError, "'modules' must be a list"),
        ('modules = []\ntables = ["base"]', DataError, "'modules' must be a list"),
        ('modules = ["asns"]', DataError, "'tables' must be a list"),
        ('modules = ["asns"', DataError, "not valid TOML"),
        ('modules = ["asns", "asns"]\ntables = ["base"]', ModelError, "twice"),
        ('modules = ["asns"]\ntables = ["teaching"]', ModelError, "needs"),
    ],
)
def test_bad_recipes(tmp_path, text, error, says):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(error, match=says):
        load_model(str(path))


def test_a_recipe_of_the_users_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('title = "mine"\nmodules = ["teaching_medium"]\ntables = ["teaching"]')
    model = load_model(str(path))
    assert model.states == ("asn_e", "asnase_e") and model.title == "mine"


def test_binary_files_are_refused(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_tsv(path)
    with pytest.raises(DataError, match="cannot be read as text"):
        read_tsv(tmp_path)


def test_toml_errors_name_the_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_toml(tmp_path / "x.toml")


@given(st.lists(st.tuples(*[st.text(st.characters(blacklist_categories=("Cs", "Cc", "Z")), min_size=1)] * 2), max_size=8))
def test_written_tables_read_back(tmp_path_factory, rows):
    rows = [(a, b) for a, b in rows if not a.startswith("#")]
    for reader, name in ((read_csv, "a.csv"), (read_tsv, "a.tsv")):
        path = write_table(tmp_path_factory.mktemp("t") / name, ("p", "q"), rows)
        assert [(r["p"], r["q"]) for r in reader(path)] == rows


def test_write_leaves_no_part_files(tmp_path):
    write_table(tmp_path / "deep" / "a.csv", ("p",), [(1,)])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.csv"]


# ---- what ships --------------------------------------------------------------------------------------------------------
TABLES = sorted(path.stem for path in (models_folder() / "parameters").glob("*.tsv"))


@pytest.mark.parametrize("table", TABLES)
def test_every_shipped_row_has_an_origin(table):
    for name, (line, parameter) in read_parameters(table).items():
        assert parameter.status in STATUSES, name
        assert parameter.source and line["unit"], line.where
        assert parameter.lower <= parameter.value <= parameter.upper, line.where
        assert abs(parameter.value) < float("inf")


@pytest.mark.parametrize("overlay_name", list_overlays())
def test_every_overlay_loads_on_a_recipe(overlay_name):
    assert any(_loads(recipe, overlay_name) for recipe in ("cell", "body_pk", "teaching"))


def _loads(recipe, name):
    try:
        return bool(load_model(recipe, name))
    except ModelError:
        return False


def test_every_table_is_used():
    """A table belongs to a recipe or to one of its populations, to an overlay, or to the protocols."""
    recipes = [read_recipe(name) for name in list_recipes()]
    used = {table for recipe in recipes for part in (recipe, *recipe.populations) for table in part.tables}
    used |= {table for name in list_overlays() for table in read_overlay(name).tables} | {"experiments"}
    assert set(TABLES) == used


@pytest.mark.parametrize("table", [name for name in TABLES if read_overlay(name).tables == (name,)])
def test_an_overlay_says_what_it_says(table):
    """Where it loads, the model carries its numbers."""
    in_recipes = {name for recipe in list_recipes() for name in read_recipe(recipe).tables}
    if table in in_recipes or table not in list_overlays():
        return
    homes = []
    for recipe in ("cell", "body_pk", "teaching"):
        try:
            model = load_model(recipe, table)
        except ModelError:
            continue
        rows = read_parameters(table)
        if all(model.value(name) == p.value for name, (_, p) in rows.items() if name in model.parameters):
            homes.append(recipe)
    assert homes


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_composes_and_prints(recipe):
    model = load_model(recipe)
    page = str(model)
    assert f"model {model.name}" in page and all(name in page for name in model.parameters)
    assert hash(model) == hash(load_model(recipe)) and model == load_model(recipe)


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_module_can_be_left_out_or_says_what_is_missing(recipe):
    for word in read_recipe(recipe).modules:
        try:
            assert load_model(recipe, without=word).states
        except ModelError as error:
            assert "needs" in str(error), f"{recipe} without {word}: {error}"


def test_species_table_counts_whole_residues():
    species = load_species()
    assert (species["asn_c"].carbon, species["asn_c"].nitrogen) == (4, 2)
    assert species["protein"].nitrogen == species["protein_e"].nitrogen > 10
    for one in species.values():
        if one.id.endswith("_e") and one.id[:-2] + "_c" in species:
            inside = species[one.id[:-2] + "_c"]
            assert (one.carbon, one.nitrogen) == (inside.carbon, inside.nitrogen)


def test_find_model_file_takes_paths(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text(HEADER)
    assert find_model_file("parameters", str(path), ".tsv") == path
