"""The engine without a daemon: the same topologies straight from kernel namespaces."""
