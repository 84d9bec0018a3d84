"""The network and its two training regimes: pretraining on the rich cohort, fine-tuning on the sparse one."""
