"""Every module by itself: composed, balanced, never below zero; carriers against the second law; drugs, genotypes, tables."""

import numpy as np
import pytest
import sympy

from asnsim.biology import MODULES, inhibitors
from asnsim.biology.protein import residues_per_asparagine
from asnsim.composition import compose
from asnsim.dosing import Regimen
from asnsim.equations import build_equations
from asnsim.library import list_overlays, list_recipes, load_model, load_species, read_overlay, read_parameters, read_recipe
from asnsim.network import Module, symbol, symbols
from asnsim.simulation import simulate
from asnsim.solvers import NDF
from asnsim.tables import models_folder, read_tsv

DRUGS = tuple(inhibitors.__all__)
SPECIES = load_species()


def table(*names):
    return {key: parameter for name in names for key, (_, parameter) in read_parameters(name).items()}


NUMBERS = table("body", "base", "inhibitors", "scavenging")


# ---- every module has a host -------------------------------------------------------------------------------------------
def hosts():
    """Module -> (recipe, overlays) that composes it: the first recipe, else the first overlay on a recipe it fits."""
    recipes = {name: set(read_recipe(name).all_modules) for name in list_recipes()}
    order = sorted(recipes, key=lambda name: (name != "cell", name))  # the cell model is the host of most
    found = {module: (name, ()) for name in reversed(order) for module in recipes[name]}
    for overlay in map(read_overlay, list_overlays()):
        fits = [name for name in order if recipes[name] >= set(overlay.without)]
        for module in overlay.modules:
            found.setdefault(module, (fits[0], (overlay.name,)))
    return found


HOSTS = hosts()
#: Chosen by users alone, for tissues and clones that no recipe describes: laid over a recipe by an overlay written here.
OPTIONAL = {"atb0": "cell", "b0at1": "cell", "system_n": "cell", "promoter_memory": "cell", "sample_tube": "dosing"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_is_composed_somewhere(name, tmp_path):
    """Composing checks carbon, nitrogen and every unit."""
    assert name in HOSTS or name in OPTIONAL, f"no recipe or overlay has '{name}', and OPTIONAL above does not either"
    recipe, overlays = HOSTS.get(name) or (OPTIONAL[name], ())
    if name not in HOSTS:
        (tmp_path / f"{name}.toml").write_text(f'modules = ["{name}"]\n')
        overlays = (str(tmp_path / f"{name}.toml"),)
    model, module = load_model(recipe, *overlays), MODULES[name]()
    assert any(part.name == module.name or part.name.startswith(module.name + "_") for part in model.modules)
    assert module.note, "a module says in one line what it is"


# ---- non-negativity ----------------------------------------------------------------------------------------------------
def random_states(model, count, seed):
    """States around the start, (n_x, count): fractions within [0, 1], tRNA and marks of protein below what they are part of."""
    draw, system = np.random.default_rng(seed), build_equations(model)
    start, _ = system.arrays(model)
    x = np.where(start > 0, start, 100.0)[:, None] * np.exp(draw.normal(0.0, 1.5, (start.size, count)))
    rows = {name: i for i, name in enumerate(model.states)}
    for name, i in rows.items():
        if name not in model.species and model.parameters[name].unit in ("1", "") and start[i] <= 1:
            x[i] = draw.uniform(0, 1, count)
    charged = [i for name, i in rows.items() if name.startswith("trna_asn")]
    x[charged] = draw.dirichlet(np.ones(len(charged) + 1), count).T[:-1] * model.value("trna_total")
    for pool in ("protein", "protein_e"):
        total = sum(x[i] for name, i in rows.items() if name.startswith(f"{pool}_") and name[len(pool) + 1 :] in ("m0", "u13c", "n15", "u13c_n15"))
        for moiety in ("asp", "gln"):
            for name, i in rows.items():
                if name.startswith(f"{pool}_{moiety}_"):
                    x[i] = draw.uniform(0, 1, count) * residues_per_asparagine()[moiety] * total
    return x


def slopes(model, x, **constants):
    """Time derivatives (n_x, m) at states (n_x, m)."""
    system = build_equations(model)
    _, c = system.arrays(model.with_parameters(constants))
    return np.array([np.broadcast_to(row, x.shape[1:]) for row in system.graph.evaluate(system.rhs, 0.0, x, c)])


@pytest.mark.parametrize("recipe", ["cell", "tracer"])
def test_nothing_empty_is_taken_from(recipe):
    model = load_model(recipe, "rpmi", "macropinocytosis", "asns_ammonia")
    for i, name in enumerate(model.states):
        if name not in model.species:
            continue
        x = random_states(model, 50, seed=i)
        usual = np.abs(slopes(model, x)[i]).max()
        x[i] = 0.0
        assert slopes(model, x)[i].min() >= -1e-9 * usual, name


def test_an_empty_cell_in_an_empty_medium_stands_still():
    model = load_model("cell")
    x = np.array(model.state_values)[:, None]
    pools = [i for i, name in enumerate(model.states) if name in model.species]
    x[pools] = 0.0
    at_rest = slopes(model, x)[pools, 0]
    made = dict(zip((model.states[i] for i in pools), at_rest, strict=True))
    assert np.isfinite(at_rest).all() and {name for name, rate in made.items() if rate} == {"glu_c"}, "glutamate has a source"


# ---- carriers ----------------------------------------------------------------------------------------------------------
ANTIPORTERS = ("asct2", "lat1", "ylat2")
RATIO = {
    "bulk_loader": "symport_ratio", "snat2": "symport_ratio", "b0at1": "symport_ratio", "system_n": "sodium_ratio proton_ratio",
    "atb0": "symport_ratio sodium_ratio chloride_ratio", "cat1": "voltage_ratio", "asn_carrier": "",
}  # fmt: skip


def alone(*names):
    """Modules by themselves, with a rule for what each reaction carries backward."""
    modules = [MODULES[name]() for name in names]
    back = {f"{r.id}_back": r.reverse for m in modules for r in (*m.reactions, *m.exchanges)}
    return compose("alone", [*modules, Module("back", (), back)], SPECIES, NUMBERS)


def read(model, names, **states):
    """Observables at states given by name (arrays of one shape), others as at the start."""
    system = build_equations(model)
    x, c = system.arrays(model)
    shape = np.broadcast(*states.values()).shape if states else ()
    x = np.stack([np.broadcast_to(states.get(name, value), shape) for name, value in zip(model.states, x, strict=True)])
    values = system.graph.evaluate([system.observable(name) for name in names], 0.0, x, c)
    return {name: np.broadcast_to(value, shape) for name, value in zip(names, values, strict=True)}


def random_pools(model, count=400, seed=1):
    draw = np.random.default_rng(seed)
    pools = {name: 10 ** draw.uniform(-3, 5, count) for name in model.states if name in model.species}
    for column, name in enumerate(pools):
        pools[name][column] = 0.0  # each is empty once
    return pools


@pytest.mark.parametrize("name", ANTIPORTERS)
def test_antiporters_move_nothing_on_balance(name):
    model = alone(name)
    ids = [reaction.id for reaction in MODULES[name]().reactions]
    fluxes = read(model, ids, **random_pools(model))
    net = {}
    for reaction in MODULES[name]().reactions:
        for species, number in reaction.stoichiometry.items():
            if species.endswith("_c"):
                net[species] = net.get(species, 0.0) + number * fluxes[reaction.id]
    gross = sum(np.abs(flux) for flux in fluxes.values())
    assert np.all(np.abs(sum(net.values())) <= 1e-12 * gross) and gross.max() > 0


@pytest.mark.parametrize("name", ANTIPORTERS)
def test_equal_gradients_stop_every_pair_of_an_antiporter(name):
    gradient, sodium = symbols("gradient sodium_ratio")
    for reaction in MODULES[name]().reactions:
        scaled = {}
        for species in reaction.stoichiometry:
            driven = sodium if name == "ylat2" and not species.startswith("arg") else 1  # sodium goes with neutral ones
            if species.endswith("_c"):
                scaled[symbol(species)] = gradient * driven * symbol(species[:-1] + "e")
        assert sympy.simplify(reaction.rate.subs(scaled)) == 0, reaction.id


@pytest.mark.parametrize("name", RATIO)
def test_flux_is_zero_at_the_sealed_equilibrium_and_follows_the_gradient_beside_it(name):
    model, ratio = alone(name), sympy.Integer(1)
    for factor in symbols(RATIO[name]):
        ratio = ratio * factor
    limit = float(ratio.subs({s: NUMBERS[s.name].value for s in ratio.free_symbols}))
    for reaction in MODULES[name]().reactions:
        ((_, outside, _),), ((_, inside, _),) = reaction.sides
        assert sympy.simplify(reaction.rate.subs(symbol(inside), ratio * symbol(outside))) == 0, reaction.id
        pools = random_pools(model, 50)
        full = pools[outside] > 0
        for share, sign in ((0.99, 1), (1.01, -1)):
            flux = read(model, [reaction.id], **pools | {inside: share * limit * pools[outside]})[reaction.id]
            assert np.all(sign * flux[full] > 0) and np.all(flux[~full] == 0), reaction.id


@pytest.mark.parametrize("name", [n for n in sorted(MODULES) if any(r.reverse != 0 for r in (*MODULES[n]().reactions, *MODULES[n]().exchanges))])
def test_gross_rates_are_not_negative(name):
    fluids = ("plasma_asparagine",) if name == "marrow_perfusion" else ()
    model, module = alone(name, *fluids), MODULES[name]()
    pools = random_pools(model)
    for reaction in (*module.reactions, *module.exchanges):
        back = read(model, [f"{reaction.id}_back"], **pools)[f"{reaction.id}_back"]
        net = read(model, [reaction.id], **pools)[reaction.id] if reaction in module.reactions else 0.0
        assert np.all(back >= 0), reaction.id
        assert np.all(net + back >= -1e-12 * (np.abs(net) + back)), reaction.id


def test_every_reversible_reaction_says_what_goes_back():
    """Label would be carried one way only."""
    for name, word in MODULES.items():
        for reaction in word().reactions if not name.startswith("teaching") else ():
            if reaction.reversible and any(s.endswith(("_c", "_e")) for s in reaction.stoichiometry):
                assert reaction.reverse != 0, f"{name}.{reaction.id}"


# ---- drugs -------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def drugged():
    """All drugs over one cell: they act on different constants, so one model serves every test."""
    return load_model("cell", "rpmi", *DRUGS)


def test_undosed_drugs_change_nothing(drugged):
    plain = load_model("cell", "rpmi")
    x = random_states(plain, 50, seed=5)
    rows = dict(zip(plain.states, x, strict=True))
    more = np.stack([rows.get(name, np.zeros(50)) for name in drugged.states])
    with_drugs = dict(zip(drugged.states, slopes(drugged, more), strict=True))
    for name, slope in zip(plain.states, slopes(plain, x), strict=True):
        np.testing.assert_allclose(with_drugs[name], slope, rtol=1e-9, atol=0, err_msg=name)
    assert all(not with_drugs[name].any() for name in with_drugs if name not in rows)


@pytest.mark.parametrize(
    ("drug", "what"),
    [
        ("gcn2_inhibitor", ["gcn2_activity"]), ("asct2_inhibitor", ["asct2_asn_gln", "asct2_asn_ser", "asct2_gln_ser"]),
        ("lat1_inhibitor", ["lat1_asn_leu", "lat1_gln_leu", "lat1_his_leu"]), ("snat2_inhibitor", ["snat2_asn", "snat2_gln"]),
        ("glutaminase_inhibitor", ["glutaminase"]), ("carrier_inhibitor", ["asn_carrier_flux"]), ("mapk_inhibitor", ["mapk_activity"]),
        ("mtor_inhibitor", ["mtor_kinase_activity"]),
    ],
)  # fmt: skip
def test_a_dose_leaves_the_share_its_Ki_says(drugged, drug, what):
    over = np.array([0.0, 1.0, 999.0])
    for name, value in read(drugged, what, **{f"{drug}_e": over * drugged.value(f"Ki_{drug}")}).items():
        assert value == pytest.approx(value[0] * np.array([1.0, 0.5, 1e-3])), name
        assert value[0] != 0


def test_asx173_is_uncompetitive(drugged):
    """At saturation the rate falls as 1/(1 + I/Ki); where Asp is scarce it hardly falls."""
    dose = {"asx173_e": np.array([0.0, 1.0]) * drugged.value("Ki_asx173"), "asn_c": 0.0, "glu_c": 0.0}
    rich = read(drugged, ["asns_flux"], asp_c=1e9, gln_c=1e9, **dose)["asns_flux"]
    poor = read(drugged, ["asns_flux"], asp_c=1e-3, gln_c=1e9, **dose)["asns_flux"]
    assert 0.5 < rich[1] / rich[0] < 0.52 and poor[1] / poor[0] > 0.999  # ATP does not saturate quite
    high = read(drugged, ["asns_flux"], asx173_e=np.array([0.0, 1000 * drugged.value("Ki_asx173")]))["asns_flux"]
    assert high[1] < 0.01 * high[0]


@pytest.fixture(scope="module")
def starved(drugged):
    """An ASNS-low line without Asn outside, 12 h, under a dose of one drug in 2 mL at 100 Ki."""
    numbers = {name: p.value for name, p in table("all_low_asns").items() if name in drugged.parameters}
    model = drugged.with_parameters(numbers, asn_e=0.0)

    def run(drug=None):
        over = 100 * model.value(f"Ki_{drug}") if drug else 1.0
        dose = Regimen.single(over * model.value("medium"), f"{drug}_e") if drug else Regimen()
        return simulate(model, dose, until=12)

    return run


def test_signalling_drugs_move_what_they_must(starved):
    plain = starved()
    gcn2, mtor, mapk = (starved(f"{name}_inhibitor") for name in ("gcn2", "mtor", "mapk"))
    assert gcn2["gcn2_inhibitor_e"][-1] == pytest.approx(15.0), "umol into 2 mL"
    assert gcn2["eif2p"][-1] < 0.2 * plain["eif2p"][-1] and gcn2["asns_mrna"][-1] < 0.7 * plain["asns_mrna"][-1]
    assert mtor["s6kp"][-1] < 0.05 * plain["s6kp"][-1] and mtor["asn_translation"][-1] < plain["asn_translation"][-1]
    assert mapk["atf4"][-1] < 0.9 * plain["atf4"][-1] and mapk["asns_mrna"][-1] < plain["asns_mrna"][-1]


def test_synthesis_drugs_lower_the_pool_of_cells_without_asparagine_outside(drugged):
    model = drugged.with_parameters(asn_e=0.0)
    plain = simulate(model, until=12)
    for dose in (Regimen.single("0.01 umol", "asx173_e"), Regimen.single("0.01 umol", "sulfoximine_e")):
        run = simulate(model, dose, until=12)
        assert run["asns_flux"][-1] < 0.3 * plain["asns_flux"][-1] and run["asn_c"][-1] < 0.3 * plain["asn_c"][-1]
        assert run["eif2p"][-1] > plain["eif2p"][-1]


def bound_alone(numbers, **values):
    table = NUMBERS | numbers(growth_rate=(0.03, "1/h"))
    return compose("bound", [MODULES["sulfoximine"]()], SPECIES, table).with_parameters(values)


def test_binding_of_the_sulfoximine_is_the_closed_form(numbers):
    """db/dt = kon D (1 - b) - (koff + k_asns + growth) b at a constant dose and a constant amount of enzyme."""
    model = bound_alone(numbers, sulfoximine_e=0.05)
    on, off = 0.05 * model.value("kon_sulfoximine"), sum(model.value(n) for n in ("koff_sulfoximine", "k_asns", "growth_rate"))
    run = simulate(model, until=24, solver=NDF(rtol=1e-10))
    np.testing.assert_allclose(run["sulfoximine_bound"], on / (on + off) * -np.expm1(-(on + off) * run.t), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(run["asns_free"], 1 - run["sulfoximine_bound"], rtol=1e-12)


def test_enzyme_once_bound_decays_whatever_is_made_anew(numbers):
    made = Module("made", (), {}, {"asns": symbol("supply") - (symbol("k_asns") + symbol("growth_rate")) * symbol("asns")})
    table = NUMBERS | numbers(growth_rate=(0.03, "1/h"), supply=(0.1, "umol/L/h"))
    model = compose("m", [MODULES["sulfoximine"](), made], SPECIES, table).with_parameters(sulfoximine_asns=0.4, asns=0.4)
    run = simulate(model, until=24, solver=NDF(rtol=1e-10))
    off = sum(model.value(n) for n in ("koff_sulfoximine", "k_asns", "growth_rate"))
    np.testing.assert_allclose(run["sulfoximine_asns"], 0.4 * np.exp(-off * run.t), rtol=1e-7)
    assert run["asns_free"][0] == pytest.approx(0.0, abs=1e-6) and np.all(np.diff(run["asns_free"]) > 0)
    gone = bound_alone(numbers, asns=0.0, sulfoximine_e=1.0)
    assert read(gone, ["asns_free"])["asns_free"] == 1.0, "a knock-out has no 0/0"


# ---- scavenging and cost -----------------------------------------------------------------------------------------------
def test_eaten_protein_follows_mtorc1_and_feeds_every_pool():
    model = load_model("cell", "macropinocytosis").with_parameters(protein_e=1000.0)
    flux = read(model, ["macropinocytosis_flux"], mtorc1=np.array([0.0, 0.5, 1.0]))["macropinocytosis_flux"]
    full = model.value("k_macropinocytosis") * 1000.0 * model.value("cytosol")
    basal = model.value("macropinocytosis_basal")
    assert flux == pytest.approx(full * np.array([1.0, (1 + basal) / 2, basal]))
    (eaten,) = MODULES["macropinocytosis"]().reactions
    degraded = next(r for r in MODULES["translation"]().reactions if r.id == "protein_degradation")
    assert eaten.sides[1] == degraded.sides[1] and eaten.stoichiometry["protein_e"] == -1


def test_ammonia_branch_is_michaelis_menten_in_free_ammonia_and_small():
    model = load_model("cell", "rpmi", "asns_ammonia")
    flows = read(model, ["asns_ammonia_flux", "asns_flux"])
    assert 0 < flows["asns_ammonia_flux"] < 0.01 * flows["asns_flux"]
    free = model.value("ammonia_c") * model.value("nh3_free_share")
    atp = model.value("atp_c") / (model.value("atp_c") + model.value("Km_asns_atp"))
    rate = read(model, ["asns_ammonia_flux"], gln_c=0.0, asp_c=1e12)["asns_ammonia_flux"] / model.value("cytosol")
    top = model.value("kcat_asns_nh3") * model.value("asns") * atp
    assert rate == pytest.approx(top * free / (free + model.value("Km_asns_nh3")), rel=1e-6)
    assert read(model, ["asns_ammonia_flux"], asp_c=0.0)["asns_ammonia_flux"] == 0


def test_energy_counts_four_bonds_a_residue_and_two_an_asparagine():
    model = load_model("cell", "energy")
    names = ["atp_use", "asns_flux", "asn_charging", "asn_translation"]
    use, made, charged, translated = (float(v) for v in read(model, names).values())
    water, fraction = model.value("cytosol"), model.value("asn_fraction_of_protein")
    assert use == pytest.approx(2 * made / water + 2 * charged / water + 4 * translated / fraction - 2 * translated)
    (row,) = (r for r in read_tsv(models_folder() / "composition.tsv") if r["amino_acid"] == "asn")
    assert fraction == row.number("fraction")


# ---- genotypes ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("genotype", "gone"),
    [
        ("asns_ko", ["asns_flux"]), ("gcn2_ko", ["gcn2_activity"]), ("asct2_ko", ["asct2_asn_gln", "asct2_gln_ser"]),
        ("lat1_ko", ["lat1_asn_leu", "lat1_gln_leu"]), ("snat2_ko", ["snat2_asn"]), ("cat1_ko", ["cat1_arg"]),
        ("ylat2_ko", ["ylat2_arg_gln"]), ("asn_carrier_ko", ["asn_carrier_flux"]), ("got_dko", ["asp_synthesis"]),
    ],
)  # fmt: skip
def test_a_knock_out_takes_one_thing(genotype, gone):
    whole, cut = load_model("cell", "rpmi"), load_model("cell", "rpmi", genotype)
    assert all(read(whole, gone)[name] != 0 == read(cut, gone)[name] for name in gone)
    assert whole.structure == cut.structure
    changed = {name for name in whole.parameters if whole.value(name) != cut.value(name)}
    assert changed == set(read_parameters(genotype))
    if genotype == "asns_ko":
        assert slopes(cut, np.array(cut.state_values)[:, None])[cut.states.index("asns"), 0] == 0, "none is made anew"


def test_over_expression_makes_ten_times_the_enzyme():
    plain, over = load_model("cell", "rpmi"), load_model("cell", "rpmi", "asns_oe")
    assert over.value("asns") == pytest.approx(10 * plain.value("asns"))
    index = plain.states.index("asns")
    start = np.array(plain.state_values)[:, None]
    start[index] = 0.0
    assert slopes(over, start)[index] == pytest.approx(10 * slopes(plain, start)[index])


# ---- tables ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", sorted((models_folder() / "parameters").glob("*.tsv")), ids=lambda path: path.stem)
def test_every_number_has_unit_source_and_status(path):
    rows = read_tsv(path)
    assert rows
    bare = [f"{row.where}: {row['name']} has no {c}" for row in rows for c in ("unit", "source", "status") if not row[c]]
    assert not bare, "\n".join(bare)
