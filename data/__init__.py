"""Tables with units, uncertainties and sources, and the loaders that read them."""
