"""What nnU-Net's commands look into for ``-tr nnUNetTrainerCLAIM``, ``…_KL`` and ``…_trial``."""

from claimslicer.training.nnunet.trainer import (
    nnUNetTrainerCLAIM,
    nnUNetTrainerCLAIM_KL,
    nnUNetTrainerCLAIM_trial,
)

__all__ = ["nnUNetTrainerCLAIM", "nnUNetTrainerCLAIM_KL", "nnUNetTrainerCLAIM_trial"]
