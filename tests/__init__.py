"""A package, so that no other package of this name, which some install, takes its place."""
