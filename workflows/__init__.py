"""Running: study file, stages, FireWorks, results on disk, report and command line."""
