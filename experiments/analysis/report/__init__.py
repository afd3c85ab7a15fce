"""``REPORT.md``, its tables and its figures."""
