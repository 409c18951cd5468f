"""One module per command, each with `run(parser, argv, inputs, report) -> exit code`."""
