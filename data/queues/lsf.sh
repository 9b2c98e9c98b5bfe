#!/bin/bash
#BSUB -J $${job_name}
#BSUB -o job.out
#BSUB -n $${cores}
#BSUB -R span[hosts=1]
#BSUB -M $${memory_MB}MB
#BSUB -W $${walltime}
#BSUB -q $${partition}
#BSUB -P $${account}
#BSUB -rn
$${setup}
export OMP_NUM_THREADS=$${cores} OPENBLAS_NUM_THREADS=$${cores}
$${command}
