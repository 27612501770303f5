"""The biology: one short function per gene product or mechanism, each returning a frozen `Module`.

``MODULES`` maps the word a recipe uses to the function that builds the module.
"""

from asnsim.biology.asparaginase import asparaginase_decay, asparaginase_hydrolysis
from asnsim.biology.gcn2_atf4 import atf4_reporter, gcn2_atf4, isr_programme, promoter_memory
from asnsim.biology.growth import crowding, growth
from asnsim.biology.host import csf_asparagine, liver_water, marrow_perfusion, pegaspargase, plasma_asparagine
from asnsim.biology.inhibitors import (
    asct2_inhibitor,
    asx173,
    carrier_inhibitor,
    gcn2_inhibitor,
    glutaminase_inhibitor,
    lat1_inhibitor,
    mapk_inhibitor,
    mtor_inhibitor,
    snat2_inhibitor,
    sulfoximine,
)
from asnsim.biology.mtorc1 import mtorc1
from asnsim.biology.products import (
    anti_peg_igm,
    asnase_antibodies,
    asnase_rylaze,
    asnase_split_clearance,
    asnase_two_compartment,
    sample_tube,
)
from asnsim.biology.protein import charging, translation
from asnsim.biology.scavenging import asns_ammonia, energy, macropinocytosis
from asnsim.biology.synthesis import asns, aspartate_glutamate, catabolism
from asnsim.biology.teaching import (
    teaching_growth,
    teaching_medium,
    teaching_response,
    teaching_synthesis,
    teaching_transport,
)
from asnsim.biology.transport import (
    asct2,
    asn_carrier,
    asn_leak,
    asp_entry,
    atb0,
    b0at1,
    bulk_loader,
    cat1,
    lat1,
    snat2,
    system_n,
    ylat2,
)

__all__ = ["MODULES"]

MODULES = {
    "anti_peg_igm": anti_peg_igm,
    "asct2": asct2,
    "asct2_inhibitor": asct2_inhibitor,
    "asn_carrier": asn_carrier,
    "asn_leak": asn_leak,
    "asnase_antibodies": asnase_antibodies,
    "asnase_rylaze": asnase_rylaze,
    "asnase_split_clearance": asnase_split_clearance,
    "asnase_two_compartment": asnase_two_compartment,
    "asns": asns,
    "asns_ammonia": asns_ammonia,
    "asp_entry": asp_entry,
    "asparaginase_decay": asparaginase_decay,
    "asparaginase_hydrolysis": asparaginase_hydrolysis,
    "aspartate_glutamate": aspartate_glutamate,
    "asx173": asx173,
    "atb0": atb0,
    "atf4_reporter": atf4_reporter,
    "b0at1": b0at1,
    "bulk_loader": bulk_loader,
    "carrier_inhibitor": carrier_inhibitor,
    "cat1": cat1,
    "catabolism": catabolism,
    "charging": charging,
    "crowding": crowding,
    "csf_asparagine": csf_asparagine,
    "energy": energy,
    "gcn2_atf4": gcn2_atf4,
    "gcn2_inhibitor": gcn2_inhibitor,
    "glutaminase_inhibitor": glutaminase_inhibitor,
    "growth": growth,
    "isr_programme": isr_programme,
    "lat1": lat1,
    "lat1_inhibitor": lat1_inhibitor,
    "liver_water": liver_water,
    "macropinocytosis": macropinocytosis,
    "mapk_inhibitor": mapk_inhibitor,
    "marrow_perfusion": marrow_perfusion,
    "mtor_inhibitor": mtor_inhibitor,
    "mtorc1": mtorc1,
    "pegaspargase": pegaspargase,
    "plasma_asparagine": plasma_asparagine,
    "promoter_memory": promoter_memory,
    "sample_tube": sample_tube,
    "snat2": snat2,
    "snat2_inhibitor": snat2_inhibitor,
    "sulfoximine": sulfoximine,
    "system_n": system_n,
    "teaching_growth": teaching_growth,
    "teaching_medium": teaching_medium,
    "teaching_response": teaching_response,
    "teaching_synthesis": teaching_synthesis,
    "teaching_transport": teaching_transport,
    "translation": translation,
    "ylat2": ylat2,
}
