"""What peers that read SBML need of a job: doses as events, and constants that are constants."""

import libsbml

VALUE = "_value_"  # suffix of the parameter that a constant species or compartment follows


def checked(code):
    """Return what libSBML answered; raise where it reports a failure."""
    if code is None or (isinstance(code, int) and code != libsbml.LIBSBML_OPERATION_SUCCESS):
        raise ValueError(f"libSBML refused an operation: {code}")
    return code


def formula(text):
    """Parse an SBML Level 3 formula."""
    return checked(libsbml.parseL3Formula(text))


def read(path):
    """Read an SBML file; raise on its errors."""
    document = libsbml.readSBMLFromFile(str(path))
    if document.getNumErrors(libsbml.LIBSBML_SEV_ERROR):
        raise ValueError(document.getErrorLog().toString())
    return document


def add_doses(model, doses):
    """Add one event per dose [time, name, value]: an amount for a species, the state's own unit otherwise."""
    for k, (at, name, value) in enumerate(doses):
        event = model.createEvent()
        checked(event.setId(f"dose_{k}"))
        checked(event.setUseValuesFromTriggerTime(True))
        trigger = event.createTrigger()
        checked(trigger.setInitialValue(True))
        checked(trigger.setPersistent(True))
        checked(trigger.setMath(formula(f"time >= {at!r}")))
        species = model.getSpecies(name)
        per = f" / {species.getCompartment()}" if species else ""
        assignment = event.createEventAssignment()
        checked(assignment.setVariable(name))
        checked(assignment.setMath(formula(f"{name} + {value!r}{per}")))


def settle_constants(model, names=()):
    """Turn constant boundary species, and the compartments in names, into quantities that follow a parameter of their own.

    AMICI would integrate the species as states and has no sensitivities to compartments; COPASI dilutes a species whose rate rule
    is zero as its compartment grows.
    """
    rules = {rule.getVariable(): rule for rule in model.getListOfRules()}
    for species in list(model.getListOfSpecies()):
        rule, home = rules.get(species.getId()), rules.get(species.getCompartment())
        if not species.getBoundaryCondition() or (rule and libsbml.formulaToL3String(rule.getMath()) != "0"):
            continue
        if rule is None and home is not None and home.isRate() and species.isSetInitialConcentration():
            continue  # a constant amount in a changing volume is no constant concentration
        if rule is not None:
            model.removeRuleByVariable(species.getId())
        _follow(model, species, species.getInitialConcentration() if species.isSetInitialConcentration() else 0.0)
        species.unsetInitialConcentration()
    for compartment in list(model.getListOfCompartments()):
        if compartment.getId() in names:
            _follow(model, compartment, compartment.getSize())
            compartment.unsetSize()


def as_rates(model):
    """Write every species as a parameter with a rate rule for its concentration; no reactions remain.

    COPASI then integrates concentrations instead of particle numbers.
    """
    rules = {rule.getVariable(): rule for rule in model.getListOfRules()}
    gains = {}
    for reaction in model.getListOfReactions():
        law = libsbml.formulaToL3String(reaction.getKineticLaw().getMath())
        for sign, side in (("-", reaction.getListOfReactants()), ("+", reaction.getListOfProducts())):
            for reference in side:
                gains.setdefault(reference.getSpecies(), []).append(f" {sign} {reference.getStoichiometry()!r} * ({law})")
    species = model.getListOfSpecies()
    facts = [(s.getId(), s.getCompartment(), s.getBoundaryCondition(), s.getInitialConcentration()) for s in species]
    while model.getNumReactions():
        model.removeReaction(0)
    for name, volume, boundary, value in facts:
        model.removeSpecies(name)
        parameter = model.createParameter()
        checked(parameter.setId(name))
        checked(parameter.setConstant(False))
        if name in rules:
            continue
        checked(parameter.setValue(value))
        if boundary or name not in gains:
            continue
        home = rules.get(volume)
        dilution = ""
        if home is not None and home.isRate():
            dilution = f" - {name} * ({libsbml.formulaToL3String(home.getMath())}) / {volume}"
        rule = model.createRateRule()
        checked(rule.setVariable(name))
        checked(rule.setMath(formula(f"(0{''.join(gains[name])}) / {volume}{dilution}")))


def _follow(model, element, value):
    parameter = model.createParameter()
    checked(parameter.setId(element.getId() + VALUE))
    checked(parameter.setConstant(True))
    checked(parameter.setValue(value))
    element.setConstant(False)
    rule = model.createAssignmentRule()
    checked(rule.setVariable(element.getId()))
    checked(rule.setMath(formula(parameter.getId())))
