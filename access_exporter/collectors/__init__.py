"""One file per API resource: pages in, one frozen summary out, and the summary as metric families."""
