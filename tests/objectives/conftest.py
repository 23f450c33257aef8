import pytest
import torch


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Tensors of a few numbers: a second thread is waited for longer than it works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
