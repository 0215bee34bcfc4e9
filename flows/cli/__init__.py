"""The command ``fastlstm``, its subcommands in files by subject."""
