"""The individual case safety report of ICH E2B(R3): what it holds, what it lacks, and how it is written as XML."""
