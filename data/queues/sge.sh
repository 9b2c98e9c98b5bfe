#!/bin/bash
#$ -N $${job_name}
#$ -o job.out
#$ -j y
#$ -cwd
#$ -r n
#$ -S /bin/bash
#$ -notify
#$ -pe $${parallel_environment} $${cores}
#$ -l h_vmem=$${memory_MB_per_core}M
#$ -l h_rt=$${walltime}
#$ -q $${partition}
#$ -P $${account}
$${setup}
export OMP_NUM_THREADS=$${threads} OPENBLAS_NUM_THREADS=$${threads}
$${command}
