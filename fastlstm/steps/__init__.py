"""Pipeline steps, each a function from folder to folder, and the process that they run in."""
