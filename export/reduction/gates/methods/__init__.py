"""The ways to leave out channels; every module here registers one."""
