"""Read-only facts of kernel, namespaces, links and engine. Two readers give equal values."""
