"""The compensation model: a grain, its contact and its electrolyte along a furnace programme."""
