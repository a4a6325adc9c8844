"""Strangers' files, by the hundred thousand: readers must accept or refuse them."""
