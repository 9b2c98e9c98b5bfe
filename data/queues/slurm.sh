#!/bin/bash
#SBATCH --job-name=$${job_name}
#SBATCH --output=job.out
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=$${cores}
#SBATCH --mem=$${memory_MB}M
#SBATCH --time=$${walltime}
#SBATCH --partition=$${partition}
#SBATCH --account=$${account}
#SBATCH --qos=$${qos}
#SBATCH --constraint=$${constraint}
#SBATCH --no-requeue
$${setup}
export OMP_NUM_THREADS=$${cores} OPENBLAS_NUM_THREADS=$${cores}
$${command}
