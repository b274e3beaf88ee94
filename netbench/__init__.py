"""netbench: which container network driver should this service use, and what does it cost?"""

__version__ = "0.1.0"
