"""A durable single-file store behind the LaunchPad of FireWorks."""
