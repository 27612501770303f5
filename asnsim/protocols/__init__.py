from asnsim.protocols.culture import v02, v03, v04, v05, v06, v07, v09, v10, v11, v12, v13, v14, v20, v21, v28
from asnsim.protocols.fate import v19, v24, v25, v45, v46, v47, v48
from asnsim.protocols.response import v15, v17, v22, v23, v49, v50
PROTOCOLS = {n.upper(): f for n, f in list(globals().items()) if n.startswith('v') and n[1:].isdigit()}
