"""Training of generator and segmenter. The rooms stand on each other in this order, the lowest first:

``data`` what is learnt from; ``settings`` what can be set; ``progress`` what a user sees of a training;
``engine`` the loop, exactly resumable; ``outcome`` the models that come out; ``trainers`` what is learnt;
``runs`` how a run is kept and started. ``nnunet`` brings our data and losses to nnU-Net's own commands.
"""
