"""What one run may use less than its session."""

import resource


def lower(memory):
    """So many bytes of address space less than the jail gives this process. What goes beyond is a MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (max(hard - memory, 0), hard))


def lift():
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
