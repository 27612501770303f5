"""The biology: one short function per gene product or mechanism, each returning a frozen `Module`.

``MODULES`` maps the word a recipe uses to the function that builds the module.
"""

from asnsim.biology.asparaginase import asparaginase_decay, asparaginase_hydrolysis
from asnsim.biology.gcn2_atf4 import atf4_reporter, gcn2_atf4
from asnsim.biology.growth import crowding, growth
from asnsim.biology.host import csf_asparagine, marrow_perfusion, pegaspargase, plasma_asparagine
from asnsim.biology.mtorc1 import mtorc1
from asnsim.biology.protein import charging, translation
from asnsim.biology.synthesis import asns, aspartate_glutamate, catabolism
from asnsim.biology.teaching import (
    teaching_growth,
    teaching_medium,
    teaching_response,
    teaching_synthesis,
    teaching_transport,
)
from asnsim.biology.tracer import asparagine_label
from asnsim.biology.transport import asct2, asn_carrier, asn_leak, asp_entry, bulk_loader, cat1, lat1, snat2, ylat2

__all__ = ["MODULES"]

MODULES = {
    "asn_carrier": asn_carrier,
    "asn_leak": asn_leak,
    "asct2": asct2,
    "asns": asns,
    "asp_entry": asp_entry,
    "asparagine_label": asparagine_label,
    "asparaginase_decay": asparaginase_decay,
    "asparaginase_hydrolysis": asparaginase_hydrolysis,
    "aspartate_glutamate": aspartate_glutamate,
    "atf4_reporter": atf4_reporter,
    "bulk_loader": bulk_loader,
    "cat1": cat1,
    "catabolism": catabolism,
    "charging": charging,
    "crowding": crowding,
    "csf_asparagine": csf_asparagine,
    "gcn2_atf4": gcn2_atf4,
    "growth": growth,
    "lat1": lat1,
    "marrow_perfusion": marrow_perfusion,
    "mtorc1": mtorc1,
    "pegaspargase": pegaspargase,
    "plasma_asparagine": plasma_asparagine,
    "snat2": snat2,
    "teaching_growth": teaching_growth,
    "teaching_medium": teaching_medium,
    "teaching_response": teaching_response,
    "teaching_synthesis": teaching_synthesis,
    "teaching_transport": teaching_transport,
    "translation": translation,
    "ylat2": ylat2,
}
