"""The workflow, a script a step: pretrain, finetune, validate, promote, predict; `workflow` calls them in order."""
