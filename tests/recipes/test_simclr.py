"""SimCLR's recipes: the rate is linear in the batch, as the paper and its code scale it."""

from kontrast.recipes import simclr


def test_the_rate_is_linear_in_the_batch():
    paper, code = simclr.imagenet(), simclr.cifar10()
    assert (paper.lr, code.lr) == (0.3 * paper.batch_size / 256, 1.0 * code.batch_size / 256)
    assert (paper.temperature, code.temperature) == (0.1, 0.5)
    assert paper.warmup == code.warmup == 10 and paper.optimizer == code.optimizer == "lars:simclr"
