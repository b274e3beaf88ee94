"""The operating system underneath: namespaces, control groups, files, signals and threads."""
