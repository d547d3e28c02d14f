"""The image pipeline of intersection regularisation: data, networks, training and reports.

It builds on `irtheory`, which never imports it.
"""
