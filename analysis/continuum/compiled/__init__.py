"""The continuum model as loops over the shells of one grain, compiled by numba (extra ``fast``).

The equations are those of the array modules one floor up, which say more about them and run without numba; the tests hold
both to each other. Every lane takes its own steps here.
"""
