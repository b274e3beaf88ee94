"""Write `netbench/schemas/` anew: `python -m netbench.documents`."""

from netbench.documents.schemas import write

write()
