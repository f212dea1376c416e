"""AWS and the sources on one machine: real servers at loopback addresses. Imported only by `cli` and the tests."""
