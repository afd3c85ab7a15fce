"""What a run is, as data: its typed configuration, how it is composed and checked, its length."""
