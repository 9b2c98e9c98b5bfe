"""Where free energies are kept: the user's phases, snapshots of databases, and the library made of them."""
