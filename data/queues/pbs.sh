#!/bin/bash
#PBS -N $${job_name}
#PBS -o job.out
#PBS -j oe
#PBS -r n
#PBS -l select=1:ncpus=$${cores}:mem=$${memory_MB}mb
#PBS -l walltime=$${walltime}
#PBS -q $${partition}
#PBS -A $${account}
$${setup}
export OMP_NUM_THREADS=$${cores} OPENBLAS_NUM_THREADS=$${cores}
$${command}
