//! The insula binary: serve, dev, demo, run, build, deploy and the operator's commands.
