"""``python -m flows`` is the command ``fastlstm`` where no script was installed."""

from flows.cli.main import main

main(prog_name="fastlstm")
