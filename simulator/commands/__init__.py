"""The commands of `skipstone` that need the simulator, one module each, imported when called."""
