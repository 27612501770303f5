"""Published experiments as protocols: what was done, on which recipe, and what was read.

A protocol is a short function of a loader. ``load(recipe, *overlays)`` returns a `Network` in which the numbers under test stand;
the protocol adds medium, seeding, preculture, drugs and times, simulates, and returns named read-outs in the unit of the
observation. Where a publication leaves a setting open, the docstring says what is assumed. `PROTOCOLS` maps the id of an
observation in ``models/observations.tsv`` to its protocol.
"""

from asnsim.protocols.body import v01, v28, v30, v31, v32, v33, v34, v35, v36, v38, v40, v43, v44
from asnsim.protocols.culture import v02, v03, v04, v05, v06, v07, v09, v10, v11, v12, v13, v14, v20, v21
from asnsim.protocols.fate import v19, v24, v25, v45, v46, v47, v48
from asnsim.protocols.response import v15, v17, v22, v23, v49, v50

__all__ = ["PROTOCOLS"]

PROTOCOLS = {
    "V01": v01, "V02": v02, "V03": v03, "V04": v04, "V05": v05, "V06": v06, "V07": v07, "V09": v09, "V10": v10, "V11": v11,
    "V12": v12, "V13": v13, "V14": v14, "V15": v15, "V17": v17, "V19": v19, "V20": v20, "V21": v21, "V22": v22, "V23": v23,
    "V24": v24, "V25": v25, "V28": v28, "V30": v30, "V31": v31, "V32": v32, "V33": v33, "V34": v34, "V35": v35, "V36": v36,
    "V38": v38, "V40": v40, "V43": v43, "V44": v44, "V45": v45, "V46": v46, "V47": v47, "V48": v48, "V49": v49, "V50": v50,
}  # fmt: skip
